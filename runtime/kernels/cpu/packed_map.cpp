#include "runtime/kernels/cpu/packed_map.h"

#include <algorithm>
#include <cmath>

#include "generators/common/tiles.h"
#include "runtime/kernels/cpu/search_tree.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels {
namespace {

using tiles::round_up;

constexpr int kMaxSearchLevels = 3;  // the levels of the pipelines _big

bool is_pwl(const std::string& map) { return map == "pwl"; }
bool is_dense(const std::string& map) { return map.rfind("dense_", 0) == 0; }
bool is_elementwise(const MapArgs& args) { return !args.proj.defined(); }

static_assert(tree_knots(kMaxSearchLevels) == kMaxKnots);

const float* floats(const at::Tensor& t) { return t.const_data_ptr<float>(); }

/// Zeros of that shape, in memory that vectors may be loaded from.
at::Tensor zeros(at::IntArrayRef sizes) { return at::zeros(sizes, at::kFloat); }

}  // namespace

PackedMap::PackedMap(const MapArgs& args, int64_t d) : args_(args), d_(d) {
  const bool big = is_pwl(args.map) && args.knots.numel() > tree_knots(2);
  padded_d_ = round_up(std::max<int64_t>(d, 1), tiles::kRowColumns);
  variant_ = args.map + (big ? "_big" : "");
  if (is_pwl(args.map) || is_dense(args.map)) {
    tile_ = tiles::kChannels;
    groups_ = {args.L, tile_};
  }
  if (is_elementwise(args)) {
    layout_ = {d, 1, 1, round_up(std::max<int64_t>(d, 1), tiles::feature_block(true))};
  } else {
    pack_projection(args.proj, args.bias);
  }
  real_features_ = zeros({layout_.padded});
  true_features(real_features_, 0, layout_).fill_(1.0f);
  if (is_pwl(args.map)) {
    pack_pwl();
  } else if (is_dense(args.map)) {
    pack_dense();
  }
}

void PackedMap::pack_projection(const at::Tensor& proj, const at::Tensor& bias) {
  m_ = proj.size(0);
  const int64_t step = tiles::projection_block(static_cast<int>(tile_));
  projections_ = round_up(m_ * groups_.count, step);
  layout_ = {m_, args_.L, groups_.count * tile_, projections_ * tile_};
  proj_rows_ = zeros({projections_, padded_d_});
  bias_ = zeros({projections_});
  if (m_ > 0) {
    proj_rows_.narrow(0, 0, m_ * groups_.count).narrow(1, 0, d_).copy_(groups_.repeat(proj));
    bias_.narrow(0, 0, m_ * groups_.count).copy_(groups_.repeat(bias));
  }
  proj_ = proj_rows_.t().contiguous();
  add_sum(padded_d_, projections_);
  add_sum(projections_, 0);
}

Matrix PackedMap::projection() const {
  return {proj_.data_ptr<float>(), projections_, 1, padded_d_, projections_};
}

void PackedMap::pack_pwl() {
  const int64_t knots = args_.knots.numel(), rows = knots + 1;
  const int levels = knots > tree_knots(2) ? kMaxSearchLevels : 2;
  search_ = search_tree(args_.knots, levels);
  table_ = groups_.split_table(args_.table);
  first_ = at::zeros({projections_}, at::kInt);
  int32_t* first = first_.data_ptr<int32_t>();
  for (int64_t i = 0; i < m_ * groups_.count; i++) {
    first[i] = static_cast<int32_t>((i % groups_.count) * rows);
  }
  add_sum(tile_, groups_.count * rows);
  add_sum(tile_, groups_.count * rows);
}

void PackedMap::pack_dense() {
  const int64_t hid = args_.w1.numel(), padded = round_up(std::max<int64_t>(hid, 1), tiles::kLanes);
  const int64_t channels = groups_.count * tile_;
  w1_ = zeros({padded});
  b1_ = zeros({padded});
  w1_.narrow(0, 0, hid).copy_(args_.w1);
  b1_.narrow(0, 0, hid).copy_(args_.b1);
  w2_rows_ = zeros({channels, padded});
  w2_rows_.narrow(0, 0, args_.L).narrow(1, 0, hid).copy_(args_.w2);
  w2_ = w2_rows_.t().contiguous();
  b2_ = zeros({channels});
  b2_.narrow(0, 0, args_.L).copy_(args_.b2);
  first_ = at::zeros({projections_}, at::kInt);
  int32_t* first = first_.data_ptr<int32_t>();
  for (int64_t i = 0; i < m_ * groups_.count; i++) {
    first[i] = static_cast<int32_t>((i % groups_.count) * tile_);
  }
  add_sum(padded, 0);
  add_sum(padded, 0);
  add_sum(padded, channels);
  add_sum(channels, 0);
}

void PackedMap::add_sum(int64_t inner, int64_t outer) {
  sums_.push_back({inner, outer, sum_size_});
  // Every sum starts on a vector boundary.
  sum_size_ += round_up(inner * std::max<int64_t>(outer, 1), tiles::kLanes);
}

void PackedMap::add_inputs(TileCall& call, Side side, bool with_gradient, float stabiliser) const {
  if (is_elementwise(args_)) {
    return;
  }
  const auto matrix = [&](const at::Tensor& t) {
    call.add(floats(t), {{t.size(-1), 1}, {t.numel() / t.size(-1), t.size(-1)}});
  };
  const auto vector = [&](const at::Tensor& t) { call.add(floats(t), {{t.numel(), 1}}); };
  matrix(proj_);
  vector(bias_);
  if (is_pwl(args_.map)) {
    call.add(first_.const_data_ptr<int32_t>(), {{projections_, 1}});
    matrix(search_);
    call.add(floats(table_), {{2 * tile_, 1}, {table_.numel() / (2 * tile_), 2 * tile_}});
    call.add(static_cast<int32_t>(args_.knots.numel() + 1));
    call.add(finite_floor(args_.floor));
  } else if (is_dense(args_.map)) {
    call.add(first_.const_data_ptr<int32_t>(), {{projections_, 1}});
    vector(w1_);
    vector(b1_);
    matrix(w2_);
    vector(b2_);
    call.add(finite_floor(args_.floor));
  } else {
    const auto amplitude = static_cast<float>(1.0 / std::sqrt(static_cast<double>(m_)));
    call.add(static_cast<float>(0.5 / std::sqrt(static_cast<double>(d_))));
    call.add(amplitude);
    call.add(amplitude * args_.feature_eps);
    call.add(static_cast<int32_t>(side == Side::query ? m_ : 0));
    // -inf: no key is kept, and their features only have to be finite.
    call.add(stabiliser == -std::numeric_limits<float>::infinity() ? 0.0f : stabiliser);
  }
  if (with_gradient) {
    matrix(proj_rows_);
    if (is_dense(args_.map)) {
      matrix(w2_rows_);
    }
  }
}

void PackedMap::add_sums(TileCall& call, float* data) const {
  for (const Sum& sum : sums_) {
    if (sum.outer) {
      call.add(data + sum.offset, {{sum.inner, 1}, {sum.outer, sum.inner}});
    } else {
      call.add(data + sum.offset, {{sum.inner, 1}});
    }
  }
}

at::Tensor PackedMap::view_of(const Sum& sum, const at::Tensor& flat) const {
  const int64_t outer = std::max<int64_t>(sum.outer, 1);
  return flat.narrow(0, sum.offset, outer * sum.inner).view({outer, sum.inner});
}

MapGrads PackedMap::unpack(const std::vector<double>& sums) const {
  MapGrads grads;
  if (sums_.empty()) {
    return grads;
  }
  const at::Tensor flat = at::from_blob(const_cast<double*>(sums.data()),
                                        {static_cast<int64_t>(sums.size())}, at::kDouble);
  const int64_t used = m_ * groups_.count;
  const auto matrix = [&](int k, int64_t rows) {
    return view_of(sums_[k], flat).narrow(0, 0, rows);
  };
  const at::Tensor bias = view_of(sums_[1], flat)[0].narrow(0, 0, used);
  grads.proj = groups_.sum_repeated(matrix(0, used).narrow(1, 0, d_)).to(at::kFloat);
  grads.bias = groups_.sum_repeated(bias).to(at::kFloat);
  if (is_pwl(args_.map)) {
    grads.g0 = groups_.merge_segments(view_of(sums_[2], flat));
    grads.g1 = groups_.merge_segments(view_of(sums_[3], flat));
  } else if (is_dense(args_.map)) {
    const int64_t hid = args_.w1.numel();
    grads.w1 = view_of(sums_[2], flat)[0].narrow(0, 0, hid).to(at::kFloat);
    grads.b1 = view_of(sums_[3], flat)[0].narrow(0, 0, hid).to(at::kFloat);
    grads.w2 = matrix(4, args_.L).narrow(1, 0, hid).to(at::kFloat);
    grads.b2 = view_of(sums_[5], flat)[0].narrow(0, 0, args_.L).to(at::kFloat);
  }
  return grads;
}

}  // namespace luna::kernels
