#include "runtime/psi/device_network.h"

#include <limits>

namespace luna::psi {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

/// Where segments begin, [K + 1].
at::Tensor begins_of(const at::Tensor& knots) { return at::constant_pad_nd(knots, {1, 0}, -kInf); }

}  // namespace

DeviceNetwork::DeviceNetwork(at::TensorList params) {
  for (const at::Tensor& param : params) shapes_.push_back(param.sizes().vec());
  for (size_t i = 0; i < params.size(); i += 2) {
    layers_.push_back(
        {params[i].to(at::kDouble).view({params[i].size(0), -1}), params[i + 1].to(at::kDouble)});
  }
  table_.knots = at::empty({0}, params[0].options());
  lost_ = at::zeros({}, params[0].options().dtype(at::kBool));
  for (size_t i = 0; i + 1 < layers_.size(); ++i) split(i);
  table_.lines = lines_of(layers_.size() - 1);
  table_.lines.select(1, 1).add_(spoilt());
}

at::Tensor DeviceNetwork::lines_of(size_t i) {
  // h_0 = t: slope 1, intercept 0.
  at::Tensor h = at::zeros({table_.knots.numel() + 1, 2, 1}, layers_[0].weight.options());
  h.select(1, 0).fill_(1.0);
  for (size_t j = 0;; ++j) {
    Layer& layer = layers_[j];
    layer.in = h;
    h = at::matmul(h, layer.weight.t());
    h.select(1, 1).add_(layer.bias);
    if (j == i) return h;
    h.masked_fill_(layer.active.logical_not().unsqueeze(1), 0.0);
  }
}

void DeviceNetwork::split(size_t i) {
  at::Tensor lines = lines_of(i);
  at::Tensor crossings = round_up(lines.select(1, 1).neg() / lines.select(1, 0));
  const at::Tensor knots = table_.knots, begin = begins_of(knots).unsqueeze(1),
                   end = at::constant_pad_nd(knots, {0, 1}, kInf).unsqueeze(1);
  const at::Tensor inside = (crossings > begin).logical_and(crossings < end);
  merge(crossings.masked_fill(inside.logical_not(), kInf).flatten());

  const at::Tensor left = begins_of(table_.knots);
  const at::Tensor parent = at::searchsorted(knots, left, /*out_int32=*/false, /*right=*/true);
  for (size_t j = 0; j < i; ++j) layers_[j].active = layers_[j].active.index_select(0, parent);
  lines = lines.index_select(0, parent);
  crossings = crossings.index_select(0, parent);
  // A segment without a token, behind a knot at +inf, is like the last one that has some.
  const at::Tensor seen = left.clamp_max(std::numeric_limits<float>::max()).unsqueeze(1);
  const at::Tensor slope = lines.select(1, 0);
  layers_[i].active =
      at::where(slope == 0.0, lines.select(1, 1) > 0.0, (crossings <= seen) == (slope > 0.0));
}

void DeviceNetwork::merge(const at::Tensor& cuts) {
  at::Tensor all = std::get<0>(at::sort(at::cat({table_.knots, cuts})));
  if (all.numel() > kernels::kMaxKnots) {  // equal knots take one place
    const at::Tensor again = all.slice(0, 1) == all.slice(0, 0, -1);
    all = std::get<0>(at::sort(all.masked_fill(at::constant_pad_nd(again, {1, 0}), kInf)));
    lost_ = lost_.logical_or(all[kernels::kMaxKnots] < kInf);
    all = all.narrow(0, 0, kernels::kMaxKnots);
  }
  table_.knots = all;
}

at::Tensor DeviceNetwork::spoilt() const {
  // As Network's: a hidden unit of bias -inf is off for every t, and spoils nothing.
  at::Tensor hidden = at::zeros({}, layers_[0].weight.options());
  for (size_t i = 0; i + 1 < layers_.size(); ++i) {
    const at::Tensor& bias = layers_[i].bias;
    hidden += layers_[i].weight.sum() + bias.masked_fill(bias == -kInf, 0.0).sum();
  }
  const Layer& last = layers_.back();
  return ((last.weight.sum(1) + last.bias + hidden) * 0.0)
      .masked_fill_(lost_, std::numeric_limits<double>::quiet_NaN());
}

std::vector<at::Tensor> DeviceNetwork::unfold(const at::Tensor& lines) const {
  std::vector<at::Tensor> all(2 * layers_.size());
  at::Tensor grad = lines;  // [segments, 2, out]
  for (size_t i = layers_.size(); i-- > 0;) {
    const Layer& layer = layers_[i];
    all[2 * i] = at::matmul(grad.flatten(0, 1).t(), layer.in.flatten(0, 1)).view(shapes_[2 * i]);
    all[2 * i + 1] = grad.select(1, 1).sum(0);
    if (i == 0) break;
    const at::Tensor off = layers_[i - 1].active.logical_not().unsqueeze(1);
    grad = at::matmul(grad, layer.weight).masked_fill_(off, 0.0);
  }
  return all;
}

}  // namespace luna::psi
