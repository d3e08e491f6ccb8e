// LUNA's psi: R -> R^L as the kernels evaluate it. A Psi holds the parameters, folds a per-channel
// scale and a shift into what the kernels read (MapArgs), and takes their gradients apart again.
// Called by runtime/ops; two evaluations: exact piecewise linear (pwl.cpp; on a CUDA device that
// the parameters stay on: device_pwl.cpp) and dense (dense.cpp).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/kernels/cuda/psi_table.h"
#include "runtime/kernels/kernels.h"

namespace luna::psi {

/// Host copy of psi's parameters as L x hid units. Shared psi: w1, b1 [hid]; separate psi: [L,
/// hid].
struct Weights {
  /// From w1, b1 ([hid] or [L, hid]), w2 [L, hid] and b2 [L], float32, any device.
  Weights(const at::Tensor& w1, const at::Tensor& b1, const at::Tensor& w2, const at::Tensor& b2);

  int64_t L, hid;
  bool separate;
  int64_t units;                       ///< hid, or L hid: scalar units act(w1 t + b1)
  std::vector<double> w1, b1, w2, b2;  ///< [units], [units], [L hid], [L]

  /// Channels that unit u feeds: all of them, or its own.
  int64_t first_channel(int64_t u) const { return separate ? u / hid : 0; }
  int64_t last_channel(int64_t u) const { return separate ? u / hid + 1 : L; }
  /// Index into w2 of unit u's weight in channel l.
  int64_t w2_index(int64_t l, int64_t u) const { return l * hid + (separate ? u % hid : u); }
};

/// phi_l = max(scale_l psi_l + shift, floor).
struct Fold {
  std::vector<double> scale;  ///< [L]
  double shift = 0.0;
  float floor = -std::numeric_limits<float>::infinity();
};

/// Gradients of the parameters, laid out as Weights, and of Fold::scale; or, where the parameters
/// are on a device, what they are made of in the end.
struct Gradient {
  Gradient() = default;
  explicit Gradient(const Weights& weights);
  std::vector<double> w1, b1, w2, b2, scale;
  std::vector<kernels::cuda::PsiTableSums> tables;
};

/// One evaluation of psi.
class Psi {
 public:
  virtual ~Psi() = default;
  virtual int64_t L() const = 0;

  /// Fills the psi part of MapArgs (map, L, floor and the tables) on the device of like.
  virtual void fold(const Fold& fold, const at::Tensor& like, kernels::MapArgs& args) const = 0;

  virtual Gradient no_gradient() const = 0;
  /// Adds the gradients of the folded parameters, taken apart, to sum.
  virtual void unfold(const Fold& fold, const kernels::MapGrads& grads, Gradient& sum) const = 0;
  /// The sum as gradients of w1, b1, w2 and b2: shaped like them, float32, on the device of like.
  virtual std::vector<at::Tensor> tensors(const Gradient& sum, const at::Tensor& like) const = 0;
};

/// A psi of parameters on the host in float64.
class HostPsi : public Psi {
 public:
  explicit HostPsi(Weights weights) : weights_(std::move(weights)) {}

  int64_t L() const override { return weights_.L; }
  Gradient no_gradient() const override { return Gradient(weights_); }
  std::vector<at::Tensor> tensors(const Gradient& sum, const at::Tensor& like) const override;

  const Weights& weights() const { return weights_; }

 protected:
  Weights weights_;
};

/// Whether kernels evaluate psi with this activation as the MLP it is.
bool has_dense(const std::string& activation);

/// name: auto, dense, pwl; activation: relu, gelu, silu, leaky_relu, hardtanh. auto takes pwl for
/// piecewise-linear activations, for relu up to kMaxAutoKnots knots. An evaluation that an
/// activation does not have, and pwl with more than kMaxKnots knots, is a bug of the caller
/// (ops/checks.h refuses both).
std::unique_ptr<Psi> make_psi(const std::string& name, const std::string& activation,
                              Weights weights);
/// The same of w1, b1, w2 and b2 as Weights takes them. one_scale: every Fold has one scale for all
/// channels; then the parameters may stay on their device.
std::unique_ptr<Psi> make_psi(const std::string& name, const std::string& activation,
                              at::TensorList params, bool one_scale);

inline constexpr int64_t kMaxAutoKnots = 4096;

/// float64 host copies of tensors of one dtype on one device, flattened. One copy from a device.
std::vector<std::vector<double>> to_host(at::TensorList tensors);
std::vector<double> to_host(const at::Tensor& tensor);

/// float32 tensor of the given shape from float64 values, on the device of like.
at::Tensor to_device(const std::vector<double>& values, at::IntArrayRef shape,
                     const at::Tensor& like);

}  // namespace luna::psi
