// phi_l = (s_l max(psi_l, 0) + feature_eps) / sqrt(m): the scale s_l / sqrt(m) and the shift fold
// into psi.
#include "runtime/ops/luna_map.h"

#include "runtime/ops/ch_rms.h"

namespace luna::ops {
namespace {

constexpr float kNoFloor = -std::numeric_limits<float>::infinity();

void accumulate(at::Tensor& sum, const at::Tensor& grad) {
  if (grad.defined()) sum = sum.defined() ? sum + grad : grad;
}

}  // namespace

LunaMap::LunaMap(const std::vector<at::Tensor>& params, const Spec& spec)
    : params_(params),
      spec_(spec),
      psi_(psi::make_psi(spec.psi, spec.activation, at::TensorList(params).slice(kW1, 4))),
      root_m_(std::sqrt(static_cast<double>(params[kProjWeight].size(0)))) {
  if (spec.ch_rms_target != 0) return;
  plain_ = scaled(same_scale(1.0 / root_m_));
  plain_.args.packed = kernels::make_packed_cache();
}

at::Tensor LunaMap::same_scale(double scale) const {
  return at::full({psi_->L()}, scale, params_[kProjWeight].options().dtype(at::kDouble));
}

kernels::MapArgs LunaMap::folded(const psi::Fold& fold) const {
  kernels::MapArgs args;
  args.proj = params_[kProjWeight].contiguous();
  args.bias = params_[kProjBias].contiguous();
  psi_->fold(fold, args);
  return args;
}

LunaMap::Side LunaMap::scaled(const at::Tensor& scale) const {
  psi::Fold fold{scale, spec_.feature_eps / root_m_};
  fold.floor = spec_.nonneg ? static_cast<float>(fold.shift) : kNoFloor;
  return {folded(fold), fold};
}

LunaMap::Side LunaMap::side(const at::Tensor& x) const {
  if (spec_.ch_rms_target == 0) return plain_;
  const kernels::MapArgs unscaled = folded({same_scale(1.0), 0.0, spec_.nonneg ? 0.0f : kNoFloor});
  const double m = params_[kProjWeight].size(0);
  const ChRms rms = ch_rms(kernels::power_sum(x, unscaled), m * x.size(0) * x.size(1) * x.size(2),
                           spec_.ch_rms_target);
  Side side = scaled(rms.scale / root_m_);
  side.unscaled = unscaled;
  side.scale_rate = rms.scale_rate;
  return side;
}

at::Tensor LunaMap::add_gradient(const at::Tensor& x, const Side& side,
                                 const kernels::MapGrads& grads, Sum& sum) const {
  accumulate(sum.proj, grads.proj);
  accumulate(sum.bias, grads.bias);
  sum.psi.push_back({side.fold.scale, grads});
  if (!side.scale_rate.defined()) return {};
  // d loss/d s_l from the folded gradients, then the power sum's own gradient: dphi_l =
  // coefficient_l phi_l.
  const at::Tensor coefficient =
      psi::scale_gradient(side.unscaled, grads) * side.scale_rate * (2.0 / root_m_);
  auto [dx, power] = kernels::power_grad(x, side.unscaled, coefficient.to(at::kFloat));
  accumulate(sum.proj, power.proj);
  accumulate(sum.bias, power.bias);
  sum.psi.push_back({same_scale(1.0), power});
  return dx;
}

std::vector<at::Tensor> LunaMap::tensors(const Sum& sum) const {
  std::vector<at::Tensor> all{sum.proj, sum.bias};
  for (at::Tensor& grad : psi_->gradients(sum.psi)) all.push_back(grad);
  return all;
}

}  // namespace luna::ops
