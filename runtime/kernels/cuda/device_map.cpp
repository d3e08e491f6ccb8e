#include "runtime/kernels/cuda/device_map.h"

#include <cmath>

#include "generators/common/tiles.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels::cuda {
namespace {

constexpr int64_t kTile = 8;  // channels of a psi pipeline
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Zeros after the end of dimension `dim`, up to `size`.
at::Tensor pad(const at::Tensor& x, int64_t dim, int64_t size) {
  std::vector<int64_t> widths(2 * (x.dim() - dim), 0);
  widths.back() = size - x.size(dim);
  return at::constant_pad_nd(x, widths);
}

}  // namespace

int64_t built_size(int64_t d, int64_t dv) {
  TORCH_CHECK_NOT_IMPLEMENTED(d <= 64 && dv <= 64,
                              "luna: not built yet for CUDA: head sizes above 64, got ",
                              std::max(d, dv), "; move the tensors to the CPU");
  return std::max(d, dv) <= 32 ? 32 : 64;
}

DeviceMap::DeviceMap(const MapArgs& args, int64_t d, int64_t size)
    : args_(args),
      pwl_(args.map == "pwl"),
      dense_(args.map.rfind("dense_", 0) == 0),
      elementwise_(!args.proj.defined()),
      d_(d),
      size_(dense_ ? 64 : size),
      projections_(size_) {
  if (elementwise_) {
    return;
  }
  if (psi()) {
    tile_ = kTile;
    groups_ = {args.L, kTile};
  }
  m_ = args.proj.size(0);
  const int64_t used = m_ * groups_.count, step = tiles::projection_block(static_cast<int>(tile_));
  projections_ = tiles::round_up(used, step);
  rows_ = pad(pad(groups_.repeat(args.proj), 1, size_), 0, projections_);
  bias_ = pad(groups_.repeat(args.bias), 0, projections_);
  half_scale_ = static_cast<float>(0.5 / std::sqrt(static_cast<double>(d)));
  if (pwl_) {
    pack_pwl(args);
  } else if (dense_) {
    pack_dense(args);
  }
}

at::Tensor DeviceMap::first_of_group(int64_t step) const {
  const auto options = args_.proj.options().dtype(at::kInt);
  const at::Tensor first = at::arange(groups_.count, options).mul_(step).repeat({m_}).to(at::kInt);
  return pad(first, 0, projections_);
}

void DeviceMap::pack_pwl(const MapArgs& args) {
  const int64_t knots = args.knots.numel();
  while ((int64_t{1} << halvings_) <= knots) halvings_++;
  knots_ = at::constant_pad_nd(args.knots, {0, (int64_t{1} << halvings_) - knots}, kInfinity);
  table_ = groups_.split_table(args.table).view({-1, 2 * kTile});
  first_ = first_of_group(knots + 1);
}

void DeviceMap::pack_dense(const MapArgs& args) {
  const int64_t hid = tiles::round_up(args.w1.numel(), tiles::kUnits);
  const int64_t L = groups_.count * kTile;
  w1_ = pad(args.w1, 0, hid);
  b1_ = pad(args.b1, 0, hid);
  w2_ = pad(pad(args.w2, 0, L), 1, hid).t().contiguous();
  b2_ = pad(args.b2, 0, L);
  first_ = first_of_group(kTile);
}

std::string DeviceMap::pipeline(const std::string& pass) const {
  return pass + "_" + args_.map + (psi() ? std::to_string(kTile) : "") + "_" +
         std::to_string(size_);
}

void DeviceMap::add_inputs(KernelCall& call, const at::Tensor& stabiliser) const {
  if (elementwise_) {
    return;
  }
  call.add(rows_);
  call.add(bias_);
  if (performer()) {
    const auto amplitude = static_cast<float>(1.0 / std::sqrt(static_cast<double>(m_)));
    call.add(half_scale_);
    call.add(amplitude);
    call.add(amplitude * args_.feature_eps);
    call.add(stabiliser);
    return;
  }
  call.add(first_);
  if (pwl_) {
    call.add(knots_);
    call.add(static_cast<int32_t>(halvings_));
    call.add(table_);
    call.add(static_cast<int32_t>(args_.knots.numel() + 1));
  } else {
    for (const at::Tensor* t : {&w1_, &b1_, &w2_, &b2_}) call.add(*t);
  }
  call.add(finite_floor(args_.floor));
}

at::Tensor DeviceMap::true_features(const at::Tensor& padded, int64_t dim) const {
  if (elementwise_) {
    return padded.narrow(dim, 0, d_);
  }
  const int64_t stride = groups_.count * tile_, L = psi() ? args_.L : 1;
  return padded.narrow(dim, 0, m_ * stride)
      .unflatten(dim, {m_, stride})
      .narrow(dim + 1, 0, L)
      .flatten(dim, dim + 1);
}

at::Tensor DeviceMap::padded_features(const at::Tensor& t, int64_t dim) const {
  if (elementwise_) {
    return pad(t, dim, size_);
  }
  const int64_t stride = groups_.count * tile_, L = psi() ? args_.L : 1;
  const at::Tensor by_projection = pad(t.unflatten(dim, {m_, L}), dim + 1, stride);
  return pad(by_projection.flatten(dim, dim + 1), dim, features());
}

void DeviceMap::unpack_projection(const at::Tensor& weight, const at::Tensor& bias,
                                  MapGrads& grads) const {
  const int64_t used = m_ * groups_.count;
  grads.proj = groups_.sum_repeated(weight.narrow(0, 0, used).narrow(1, 0, d_)).to(at::kFloat);
  grads.bias = groups_.sum_repeated(bias.narrow(0, 0, used)).to(at::kFloat);
}

DeviceMap DeviceMap::part(int64_t k) const {
  const int64_t first = k * kTile, count = std::min(kTile, args_.L - first);
  MapArgs part = args_;
  part.L = count;
  part.w2 = args_.w2.narrow(0, first, count);
  part.b2 = args_.b2.narrow(0, first, count);
  return DeviceMap(part, d_, size_);
}

at::Tensor DeviceMap::part_features(int64_t k, const at::Tensor& t, int64_t dim) const {
  const DeviceMap own = part(k);
  const at::Tensor by_channel = true_features(t, dim).unflatten(dim, {m_, args_.L});
  const at::Tensor channels = by_channel.narrow(dim + 1, k * kTile, own.args_.L);
  return own.padded_features(channels.flatten(dim, dim + 1), dim);
}

std::vector<int64_t> DeviceMap::sums_shape() const {
  if (pwl_) {
    return {table_.size(0), 4 * kTile};
  }
  return {2 * kTile + 2, w1_.numel()};
}

void DeviceMap::unpack_sums(const at::Tensor& sums, MapGrads& grads) const {
  if (pwl_) {
    const at::Tensor both_halves = sums.view({-1, 2, 2, kTile}).sum(1);
    grads.g0 = groups_.merge_segments(both_halves.select(1, 0));
    grads.g1 = groups_.merge_segments(both_halves.select(1, 1));
    return;
  }
  const at::Tensor units = sums.narrow(1, 0, args_.w1.numel()).to(at::kFloat);
  const auto add = [](at::Tensor& to, const at::Tensor& part) {
    to = to.defined() ? to + part : part;
  };
  const auto append = [](at::Tensor& to, const at::Tensor& part) {
    to = to.defined() ? at::cat({to, part}) : part;
  };
  append(grads.w2, units.narrow(0, 0, args_.L));
  add(grads.w1, units[kTile]);
  add(grads.b1, units[kTile + 1]);
  append(grads.b2, units.select(1, 0).narrow(0, kTile + 2, args_.L));
}

}  // namespace luna::kernels::cuda
