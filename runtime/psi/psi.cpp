// The choice between psi's evaluations, and what they share.
#include "runtime/psi/psi.h"

#include "runtime/halide/cuda_driver.h"
#include "runtime/psi/dense.h"
#include "runtime/psi/device_pwl.h"
#include "runtime/psi/pwl.h"

namespace luna::psi {

std::vector<std::vector<double>> to_host(at::TensorList tensors) {
  std::vector<at::Tensor> flat;
  for (const at::Tensor& tensor : tensors) flat.push_back(tensor.detach().flatten());
  const c10::Device device = tensors[0].device();
  TORCH_CHECK(!device.is_cuda() || !halide::is_capturing(device),
              "luna: the host cannot read psi's parameters on ", device,
              " while a CUDA graph is captured: build with nvcc, or take psi = dense");
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

at::Tensor scale_gradient(const kernels::MapArgs& unscaled, const kernels::MapGrads& grads) {
  if (unscaled.table.defined()) {
    return (unscaled.table * at::stack({grads.g1, grads.g0}, 1)).sum(at::IntArrayRef{0, 1});
  }
  const auto product = [](const at::Tensor& a, const at::Tensor& b) {
    return a.to(at::kDouble) * b.to(at::kDouble);
  };
  return product(unscaled.w2, grads.w2).sum(1) + product(unscaled.b2, grads.b2);
}

bool has_dense(const std::string& activation) {
  return activation == "relu" || activation == "gelu" || activation == "silu";
}

std::unique_ptr<Psi> make_psi(const std::string& name, const std::string& activation,
                              at::TensorList params) {
  const MlpParams units{params[0], params[1], params[2], params[3]};
  const PiecewiseLinear* lines = piecewise_linear(activation);
  const int64_t knots = lines ? units.count() * lines->knots() : 0;
  const bool few = lines && knots <= kMaxAutoKnots;
  if (name == "dense" || (has_dense(activation) && name == "auto" && !few)) {
    TORCH_INTERNAL_ASSERT(has_dense(activation), activation, " as an MLP");
    return std::make_unique<Dense>(units, activation);
  }
  TORCH_INTERNAL_ASSERT(lines && knots <= kernels::kMaxKnots, activation, " with ", units.count(),
                        " units");
  if (DevicePwl::takes(units, *lines)) return std::make_unique<DevicePwl>(units, *lines);
  return std::make_unique<Pwl>(units, *lines);
}

}  // namespace luna::psi
