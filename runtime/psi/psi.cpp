// Host copies of psi's parameters and the choice between its two evaluations.
#include "runtime/psi/psi.h"

#include "runtime/psi/dense.h"
#include "runtime/psi/pwl.h"

namespace luna::psi {

std::vector<double> to_host(const at::Tensor& tensor) {
  // A few kilobytes. On CUDA this waits for the stream: sorting the knots there would take more
  // launches than the copy takes time.
  const at::Tensor host = tensor.detach().to(at::kCPU).contiguous();
  std::vector<double> values(host.numel());
  if (host.scalar_type() == at::kDouble) {
    std::copy_n(host.const_data_ptr<double>(), values.size(), values.begin());
  } else {
    std::copy_n(host.const_data_ptr<float>(), values.size(), values.begin());
  }
  return values;
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
    : L(w2_.size(0)),
      hid(w2_.size(1)),
      separate(w1_.dim() == 2),
      units(w1_.numel()),
      w1(to_host(w1_)),
      b1(to_host(b1_)),
      w2(to_host(w2_)),
      b2(to_host(b2_)) {}

Gradient::Gradient(const Weights& weights)
    : w1(weights.w1.size()),
      b1(weights.b1.size()),
      w2(weights.w2.size()),
      b2(weights.b2.size()),
      scale(weights.L) {}

std::unique_ptr<Psi> make_psi(const std::string& name, const std::string& activation,
                              Weights weights) {
  const bool pwl =
      name == "pwl" || (name == "auto" && activation == "relu" && weights.units <= kMaxAutoKnots);
  TORCH_INTERNAL_ASSERT(!pwl || (activation == "relu" && weights.units <= kernels::kMaxKnots),
                        activation, " with ", weights.units, " units");
  if (pwl) return std::make_unique<Pwl>(std::move(weights));
  return std::make_unique<Dense>(std::move(weights), activation);
}

}  // namespace luna::psi
