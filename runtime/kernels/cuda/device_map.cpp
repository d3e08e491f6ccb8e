#include "runtime/kernels/cuda/device_map.h"

#include <algorithm>
#include <cmath>

#include "generators/common/tiles.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels::cuda {

int64_t built_size(const std::string& map, int64_t d, int64_t dv) {
  return std::max(d, dv) <= 32 && !is_dense(map) ? 32 : kLargestSize;
}

std::string pass_name(const std::string& pass, const std::string& map, int64_t size) {
  const std::string channels = is_psi(map) ? std::to_string(kPsiChannels) : "";
  return pass + "_" + map + channels + "_" + std::to_string(size);
}

DeviceMap::DeviceMap(const MapArgs& args, int64_t d, int64_t size)
    : args_(args),
      psi_(is_psi(args.map)),
      elementwise_(!args.proj.defined()),
      d_(d),
      size_(size),
      projections_(size_) {
  if (elementwise_) {
    return;
  }
  if (psi()) {
    tile_ = kPsiChannels;
    groups_ = {args.L, kPsiChannels};
  }
  m_ = args.proj.size(0);
  const int64_t used = m_ * groups_.count, step = tiles::projection_block(static_cast<int>(tile_));
  projections_ = tiles::round_up(used, step);
  rows_ = pad(pad(groups_.repeat(args.proj), 1, size_), 0, projections_);
  bias_ = pad(groups_.repeat(args.bias), 0, projections_);
  half_scale_ = static_cast<float>(0.5 / std::sqrt(static_cast<double>(d)));
  if (psi()) psi_inputs_.emplace(args, projections_);
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
  psi_inputs_->add(call);
}

DeviceMap::FeatureLayout DeviceMap::feature_layout() const {
  if (elementwise_) return {d_, 1, 1};
  const int64_t stride = groups_.count * tile_;
  return {m_ * stride, stride, psi() ? args_.L : 1};
}

at::Tensor DeviceMap::true_features(const at::Tensor& padded, int64_t dim) const {
  const auto [end, stride, used] = feature_layout();
  return padded.narrow(dim, 0, end)
      .unflatten(dim, {end / stride, stride})
      .narrow(dim + 1, 0, used)
      .flatten(dim, dim + 1);
}

at::Tensor DeviceMap::padded_features(const at::Tensor& t, int64_t dim) const {
  const auto [end, stride, used] = feature_layout();
  const at::Tensor by_projection = pad(t.unflatten(dim, {end / stride, used}), dim + 1, stride);
  return pad(by_projection.flatten(dim, dim + 1), dim, features());
}

void DeviceMap::unpack_projection(const at::Tensor& weight, const at::Tensor& bias,
                                  MapGrads& grads) const {
  const int64_t used = m_ * groups_.count;
  const auto own = [&](const at::Tensor& rows) {
    return (groups_.count == 1 ? rows : groups_.sum_repeated(rows)).to(at::kFloat);
  };
  grads.proj = own(weight.narrow(0, 0, used).narrow(1, 0, d_));
  grads.bias = own(bias.narrow(0, 0, used));
}

DeviceMap DeviceMap::part(int64_t k) const {
  return DeviceMap(PsiInputs::part(args_, k), d_, size_);
}

at::Tensor DeviceMap::part_features(int64_t k, const at::Tensor& t, int64_t dim) const {
  const DeviceMap own = part(k);
  const at::Tensor by_channel = true_features(t, dim).unflatten(dim, {m_, args_.L});
  const at::Tensor channels = by_channel.narrow(dim + 1, k * kPsiChannels, own.args_.L);
  return own.padded_features(channels.flatten(dim, dim + 1), dim);
}

}  // namespace luna::kernels::cuda
