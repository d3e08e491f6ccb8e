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
      psi_(psi::make_psi(spec.psi, spec.activation, at::TensorList(params).slice(kW1, 4),
                         spec.ch_rms_target == 0)),
      root_m_(std::sqrt(static_cast<double>(params[kProjWeight].size(0)))) {
  if (spec.ch_rms_target == 0) plain_ = scaled(std::vector<double>(psi_->L(), 1.0));
}

kernels::MapArgs LunaMap::unscaled(psi::Fold& fold) const {
  kernels::MapArgs args;
  args.proj = params_[kProjWeight].contiguous();
  args.bias = params_[kProjBias].contiguous();
  fold.scale.assign(psi_->L(), 1.0);
  fold.floor = spec_.nonneg ? 0.0f : kNoFloor;
  psi_->fold(fold, args.proj, args);
  return args;
}

LunaMap::Side LunaMap::scaled(std::vector<double> scale) const {
  Side side;
  side.fold.scale = std::move(scale);
  for (double& factor : side.fold.scale) factor /= root_m_;
  side.fold.shift = spec_.feature_eps / root_m_;
  side.fold.floor = spec_.nonneg ? static_cast<float>(side.fold.shift) : kNoFloor;
  side.args.proj = params_[kProjWeight].contiguous();
  side.args.bias = params_[kProjBias].contiguous();
  psi_->fold(side.fold, side.args.proj, side.args);
  return side;
}

LunaMap::Side LunaMap::side(const at::Tensor& x) const {
  if (spec_.ch_rms_target == 0) return plain_;
  psi::Fold fold;
  const std::vector<double> power = psi::to_host(kernels::power_sum(x, unscaled(fold)));
  const double m = params_[kProjWeight].size(0);
  ChRms rms = ch_rms(power, m * x.size(0) * x.size(1) * x.size(2), spec_.ch_rms_target);
  Side side = scaled(std::move(rms.scale));
  side.scale_rate = std::move(rms.scale_rate);
  return side;
}

at::Tensor LunaMap::add_gradient(const at::Tensor& x, const Side& side,
                                 const kernels::MapGrads& grads, Sum& sum) const {
  accumulate(sum.proj, grads.proj);
  accumulate(sum.bias, grads.bias);
  if (side.scale_rate.empty()) {
    psi_->unfold(side.fold, grads, sum.psi);
    return {};
  }
  // d loss/d s_l from the folded gradients, then the power sum's own gradient: dphi_l =
  // coefficient_l phi_l.
  std::fill(sum.psi.scale.begin(), sum.psi.scale.end(), 0.0);
  psi_->unfold(side.fold, grads, sum.psi);
  const int64_t L = psi_->L();
  std::vector<double> coefficient(L);
  for (int64_t l = 0; l < L; ++l) {
    coefficient[l] = 2.0 * side.scale_rate[l] * sum.psi.scale[l] / root_m_;
  }
  psi::Fold fold;
  const kernels::MapArgs args = unscaled(fold);
  auto [dx, power] = kernels::power_grad(x, args, psi::to_device(coefficient, {L}, x));
  accumulate(sum.proj, power.proj);
  accumulate(sum.bias, power.bias);
  psi_->unfold(fold, power, sum.psi);
  return dx;
}

std::vector<at::Tensor> LunaMap::tensors(const Sum& sum) const {
  std::vector<at::Tensor> all{sum.proj, sum.bias};
  for (at::Tensor& grad : psi_->tensors(sum.psi, params_[kProjWeight])) all.push_back(grad);
  return all;
}

}  // namespace luna::ops
