#include "runtime/kernels/cuda/row_map.h"

#include "generators/common/tiles.h"
#include "runtime/kernels/cuda/row_moves.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels::cuda {
namespace {

constexpr int64_t kVector = 4;  ///< rows are whole vectors

at::Tensor flat(const at::Tensor& rows) { return rows.view({-1, rows.size(-1)}); }

}  // namespace

RowMap::RowMap(const Backend& backend, const MapArgs& args, const at::Tensor& x, int64_t group)
    : backend_(backend),
      args_(args),
      d_(x.size(3)),
      width_(tiles::round_up(d_, tiles::kRowColumns)),
      heads_(x.size(1)),
      group_(group) {
  if (projects()) {
    pack_projection();
  } else {
    const int64_t run = args.blocks ? args.block_features : d_;
    const int64_t count = std::max<int64_t>(args.blocks, 1);
    const int64_t stride = tiles::round_up(run, tiles::kRowColumns);
    layout_ = {count, run, stride, count * stride};
    if (args.coordinates.defined()) coordinates_ = pad(args.coordinates, 0, width_);
  }
  const auto options = x.options().dtype(at::kFloat);
  real_ = padded_features(at::ones({layout_.m * layout_.L}, options), 0);
}

void RowMap::pack_projection() {
  const MapArgs& args = args_;
  if (is_psi(args.map)) groups_ = {args.L, kPsiChannels};
  const int64_t m = args.proj.size(-2), used = m * groups_.count;
  const int64_t P = tiles::round_up(used, tiles::projection_block(static_cast<int>(groups_.tile)));
  layout_ = {m, args.L, groups_.count * groups_.tile, P * groups_.tile};
  const at::Tensor W = args.per_head() ? args.proj : groups_.repeat(args.proj).unsqueeze(0);
  const at::Tensor b = args.per_head() ? args.bias : groups_.repeat(args.bias).unsqueeze(0);
  rows_ = pad(pad(W, 2, width_), 1, P).contiguous();
  bias_ = pad(b, 1, P);
  bias_of_heads_ = bias_.size(0) > 1 && group_ > 1 ? bias_.repeat_interleave(group_, 0) : bias_;
  if (is_psi(args.map)) psi_inputs_.emplace(args, P);
}

at::Tensor RowMap::true_features(const at::Tensor& padded, int64_t dim) const {
  return padded.narrow(dim, 0, layout_.m * layout_.stride)
      .unflatten(dim, {layout_.m, layout_.stride})
      .narrow(dim + 1, 0, layout_.L)
      .flatten(dim, dim + 1);
}

at::Tensor RowMap::padded_features(const at::Tensor& t, int64_t dim) const {
  const at::Tensor runs = pad(t.unflatten(dim, {layout_.m, layout_.L}), dim + 1, layout_.stride);
  return pad(runs.flatten(dim, dim + 1), dim, layout_.padded);
}

at::Tensor RowMap::project(const at::Tensor& x) const {
  at::Tensor t = dots(backend_, x, rows_, parameters());
  t.unflatten(0, {t.size(0) / heads_, heads_}).add_(bias_of_heads_.unsqueeze(1));
  return t;
}

at::Tensor RowMap::stabilisers(const RowFeatures& row, const at::Tensor& given) const {
  if (args_.map == "performer" && std::get<int32_t>(args_.scalars[kPerformerOwnMaximum]) > 0) {
    return row.t.narrow(2, 0, layout_.m).amax(2).view(-1);
  }
  const Chunks& c = row.chunks;
  if (!given.defined()) return at::zeros({c.z() * c.chunk}, row.x.options());
  const at::Tensor finite = given.masked_fill(given <= kLowest, 0.0);
  return c.scalars(finite.unsqueeze(-1).expand({c.B, c.H, c.T})).view(-1);
}

RowFeatures RowMap::compute(const Chunks& chunks, const at::Tensor& x, const at::Tensor& weight,
                            int64_t first_token, const at::Tensor& stabiliser) const {
  RowFeatures row;
  row.chunks = chunks;
  row.x = gather_rows(backend_, chunks, x, weight, width_);
  if (projects()) row.t = project(row.x);
  if (args_.stabilised_by != Stabiliser::absent) {
    row.square = row.x.square().sum(2).view(-1);
    row.stabiliser = stabilisers(row, stabiliser);
  }
  if (args_.token_values.defined()) {
    const at::Tensor values = args_.token_values.narrow(0, first_token, chunks.T);
    const int64_t width = values.size(1);
    row.token_values =
        flat(chunks.rows(values.expand({chunks.B, chunks.H, chunks.T, width}), kVector));
  }
  row.phi = at::empty({row.x.size(0), chunks.chunk, features()}, row.x.options());
  KernelCall call(backend_, "features_" + args_.map, row.x);
  call.add(flat(row.x));
  call.add(static_cast<int32_t>(d_));
  call.add(real_);
  add_inputs(call, row);
  call.add(flat(row.phi));
  call.run();
  return row;
}

at::Tensor RowMap::maximum(const Chunks& chunks, const at::Tensor& x) const {
  const at::Tensor t = project(chunks.rows(x, width_));
  return chunks.tokens(t.narrow(2, 0, layout_.m).amax(2, /*keepdim=*/true)).squeeze(-1);
}

void RowMap::add_inputs(KernelCall& call, const RowFeatures& row) const {
  if (projects()) call.add(flat(row.t));
  if (psi_inputs_) psi_inputs_->add(call);
  if (coordinates_.defined()) call.add(coordinates_);
  if (row.token_values.defined()) call.add(row.token_values);
  for (size_t k = 0; k < args_.scalars.size(); k++) {
    if (args_.map == "performer" && k == kPerformerOwnMaximum) continue;
    std::visit([&](auto value) { call.add(value); }, args_.scalars[k]);
  }
  if (row.stabiliser.defined()) {
    call.add(row.square);
    call.add(row.stabiliser);
  }
}

at::Tensor RowMap::gradient(const RowFeatures& row, const at::Tensor& dphi, MapSums* sums) const {
  const int64_t width = projects() ? row.t.size(2) : width_;
  const at::Tensor to = at::empty({row.x.size(0), row.x.size(1), width}, row.x.options());
  at::Tensor terms;
  KernelCall call(backend_, "features_grad_" + args_.map, row.x);
  call.add(flat(row.x));
  call.add(static_cast<int32_t>(d_));
  call.add(flat(row.phi));
  call.add(flat(dphi));
  add_inputs(call, row);
  call.add(flat(to));
  if (coordinates_.defined()) {
    terms = at::empty_like(to);
    call.add(flat(terms));
  }
  call.run();
  if (sums && terms.defined()) sums->coordinates.add_(total(terms, {0, 1}));
  if (!projects()) return to;
  if (sums) add_projection_sums(row, to, *sums);
  if (sums && psi_inputs_) add_psi_sums(row, dphi, *sums);
  at::Tensor dx = combine(backend_, to, rows_, parameters());
  if (args_.map == "performer") {
    const float scale = 2.0f * std::get<float>(args_.scalars[kPerformerHalfScale]);
    if (scale != 0.0f) dx.sub_(row.x * to.sum(2, true).mul_(scale));
  }
  if (args_.map == "fourier" && std::get<float>(args_.scalars[kFourierGrowth]) != 0.0f) {
    const float growth = 2.0f * std::get<float>(args_.scalars[kFourierGrowth]);
    dx.add_(row.x * (dphi * row.phi).sum(2, true).mul_(growth));
  }
  return dx;
}

void RowMap::add_projection_sums(const RowFeatures& row, const at::Tensor& dt,
                                 MapSums& sums) const {
  const int64_t Hk = rows_.size(0), shared = Hk > 1 ? group_ : heads_;
  const auto by_head = [&](const at::Tensor& terms) {  // [z, ..] -> [Hk, ..]
    const at::Tensor heads = terms.unflatten(0, {terms.size(0) / heads_, Hk, shared});
    return total(heads, {0, 2});
  };
  sums.proj.add_(by_head(outer_product(backend_, dt, row.x)));
  sums.bias.add_(by_head(dt.sum(1)));
}

at::Tensor RowMap::psi_sums(const MapArgs& part, const at::Tensor& t, const at::Tensor& phi,
                            const at::Tensor& dphi) const {
  const PsiInputs inputs(part, t.size(1));
  const int64_t tokens = slot_tokens(t.size(0), t.size(0));
  std::vector<int64_t> shape{(t.size(0) + tokens - 1) / tokens};
  for (const int64_t extent : inputs.sums_shape()) shape.push_back(extent);
  const at::Tensor sums = at::zeros(shape, t.options());
  KernelCall call(backend_, "rows_sums_" + part.map, t);
  call.add(phi);
  call.add(dphi);
  call.add(static_cast<int32_t>(tokens));
  call.add(t);
  inputs.add(call);
  call.add(sums);
  call.run();
  return total(sums, {0});
}

void RowMap::add_psi_sums(const RowFeatures& row, const at::Tensor& dphi, MapSums& sums) const {
  const int64_t parts = PsiInputs::parts(args_);
  if (parts == 1) {
    sums.psi[0].add_(psi_sums(args_, flat(row.t), flat(row.phi), flat(dphi)));
    return;
  }
  const int64_t P = tiles::round_up(layout_.m, tiles::projection_block(kPsiChannels));
  for (int64_t k = 0; k < parts; k++) {
    // The part's projections, and their channels, among those of all groups.
    const auto own = [&](const at::Tensor& all, int64_t channels) {
      const at::Tensor used = flat(all).narrow(1, 0, layout_.m * parts * channels);
      const at::Tensor group = used.unflatten(1, {layout_.m, parts, channels}).select(2, k);
      return pad(group.flatten(1), 1, P * channels);
    };
    sums.psi[k].add_(psi_sums(PsiInputs::part(args_, k), own(row.t, 1), own(row.phi, kPsiChannels),
                              own(dphi, kPsiChannels)));
  }
}

MapSums RowMap::zero_sums() const {
  const auto zeros = [&](at::IntArrayRef shape) {
    return at::zeros(shape, real_.options().dtype(at::kDouble));
  };
  MapSums sums;
  if (coordinates_.defined()) sums.coordinates = zeros({width_});
  if (!projects()) return sums;
  sums.proj = zeros(rows_.sizes());
  sums.bias = zeros(bias_.sizes());
  if (!psi_inputs_) return sums;
  for (int64_t k = 0; k < PsiInputs::parts(args_); k++) {
    sums.psi.push_back(zeros(PsiInputs(PsiInputs::part(args_, k), rows_.size(1)).sums_shape()));
  }
  return sums;
}

MapGrads RowMap::unpack(const MapSums& sums) const {
  MapGrads grads;
  if (sums.coordinates.defined()) {
    grads.coordinates = sums.coordinates.narrow(0, 0, d_).to(at::kFloat);
  }
  if (!projects()) return grads;
  const int64_t used = layout_.m * groups_.count;
  const at::Tensor W = sums.proj.narrow(1, 0, used).narrow(2, 0, d_);
  const at::Tensor b = sums.bias.narrow(1, 0, used);
  grads.proj = (args_.per_head() ? W : groups_.sum_repeated(W[0])).to(at::kFloat);
  grads.bias = (args_.per_head() ? b : groups_.sum_repeated(b[0])).to(at::kFloat);
  for (size_t k = 0; k < sums.psi.size(); k++) {
    const MapArgs part = PsiInputs::part(args_, static_cast<int64_t>(k));
    PsiInputs(part, rows_.size(1)).unpack_sums(sums.psi[k], grads);
  }
  return grads;
}

}  // namespace luna::kernels::cuda
