// Host copies of psi's parameters and the choice between its evaluations.
#include "runtime/psi/psi.h"

#include "runtime/psi/dense.h"
#include "runtime/psi/device_pwl.h"
#include "runtime/psi/pwl.h"

namespace luna::psi {

std::vector<std::vector<double>> to_host(at::TensorList tensors) {
  std::vector<at::Tensor> flat;
  for (const at::Tensor& tensor : tensors) flat.push_back(tensor.detach().flatten());
  // A few kilobytes. On CUDA this waits for the stream.
  const at::Tensor host = at::cat(flat).to(at::Device(at::kCPU), at::kDouble);
  const double* from = host.const_data_ptr<double>();
  std::vector<std::vector<double>> values;
  for (const at::Tensor& tensor : flat) {
    values.emplace_back(from, from + tensor.numel());
    from += tensor.numel();
  }
  return values;
}

std::vector<double> to_host(const at::Tensor& tensor) {
  return std::move(to_host(at::TensorList(tensor))[0]);
}

at::Tensor to_device(const std::vector<double>& values, at::IntArrayRef shape,
                     const at::Tensor& like) {
  at::Tensor host = at::empty(shape, at::kFloat);
  std::transform(values.begin(), values.end(), host.mutable_data_ptr<float>(),
                 [](double value) { return static_cast<float>(value); });
  return like.is_cpu() ? host : host.to(like.device());
}

Weights::Weights(const at::Tensor& w1_, const at::Tensor& b1_, const at::Tensor& w2_,
                 const at::Tensor& b2_)
    : L(w2_.size(0)), hid(w2_.size(1)), separate(w1_.dim() == 2), units(w1_.numel()) {
  std::vector<std::vector<double>> host = to_host({w1_, b1_, w2_, b2_});
  w1 = std::move(host[0]);
  b1 = std::move(host[1]);
  w2 = std::move(host[2]);
  b2 = std::move(host[3]);
}

Gradient::Gradient(const Weights& weights)
    : w1(weights.w1.size()),
      b1(weights.b1.size()),
      w2(weights.w2.size()),
      b2(weights.b2.size()),
      scale(weights.L) {}

std::vector<at::Tensor> HostPsi::tensors(const Gradient& sum, const at::Tensor& like) const {
  const int64_t L = weights_.L, hid = weights_.hid;
  const std::vector<int64_t> units =
      weights_.separate ? std::vector<int64_t>{L, hid} : std::vector<int64_t>{hid};
  return {to_device(sum.w1, units, like), to_device(sum.b1, units, like),
          to_device(sum.w2, {L, hid}, like), to_device(sum.b2, {L}, like)};
}

bool has_dense(const std::string& activation) {
  return activation == "relu" || activation == "gelu" || activation == "silu";
}

namespace {

/// Whether psi is evaluated as the MLP it is.
bool takes_dense(const std::string& name, const std::string& activation, int64_t units) {
  const PiecewiseLinear* lines = piecewise_linear(activation);
  const bool few = lines && units * lines->knots() <= kMaxAutoKnots;
  return name == "dense" || (has_dense(activation) && name == "auto" && !few);
}

}  // namespace

std::unique_ptr<Psi> make_psi(const std::string& name, const std::string& activation,
                              Weights weights) {
  if (takes_dense(name, activation, weights.units)) {
    TORCH_INTERNAL_ASSERT(has_dense(activation), activation, " as an MLP");
    return std::make_unique<Dense>(std::move(weights), activation);
  }
  const PiecewiseLinear* lines = piecewise_linear(activation);
  TORCH_INTERNAL_ASSERT(lines && weights.units * lines->knots() <= kernels::kMaxKnots, activation,
                        " with ", weights.units, " units");
  return std::make_unique<Pwl>(std::move(weights), *lines);
}

std::unique_ptr<Psi> make_psi(const std::string& name, const std::string& activation,
                              at::TensorList params, bool one_scale) {
  const kernels::cuda::PsiUnits units{params[0], params[1], params[2], params[3]};
  if (one_scale && activation == "relu" && !takes_dense(name, activation, units.w1.numel()) &&
      kernels::cuda::has_psi_table(units)) {
    return std::make_unique<DevicePwl>(units);
  }
  return make_psi(name, activation, Weights(units.w1, units.b1, units.w2, units.b2));
}

}  // namespace luna::psi
