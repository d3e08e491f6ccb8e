// LUNA's psi: R -> R^L as the kernels evaluate it. A Psi holds the parameters, folds a per-channel
// scale and a shift into what the kernels read (MapArgs), and makes their gradients of those of
// what was folded. Called by runtime/ops; evaluations: an exact table of segments (segment_table.h;
// of an MLP on the host pwl.h, on a CUDA device device_pwl.h) and the MLP itself (dense.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/kernels/kernels.h"

namespace luna::psi {

/// phi_l = max(scale_l psi_l + shift, floor).
struct Fold {
  at::Tensor scale;  ///< [L] float64, on the parameters' device
  double shift = 0.0;
  float floor = -std::numeric_limits<float>::infinity();
};

/// Gradients of what was folded with that scale.
struct FoldedGrads {
  at::Tensor scale;  ///< Fold's
  kernels::MapGrads grads;
};

/// One evaluation of psi.
class Psi {
 public:
  virtual ~Psi() = default;
  virtual int64_t L() const = 0;

  /// Fills the psi part of MapArgs (map, L, floor and the tables) on the device of args.proj.
  virtual void fold(const Fold& fold, kernels::MapArgs& args) const = 0;

  /// Gradients of the parameters, in their order and shaped like them, float32 on the device of
  /// what they are made of: all foldings added up. Undefined for a parameter that has none.
  virtual std::vector<at::Tensor> gradients(const std::vector<FoldedGrads>& parts) const = 0;
};

/// Gradient of Fold::scale, [L] float64, from those of what was folded with any; unscaled: folded
/// with scale 1 and shift 0.
at::Tensor scale_gradient(const kernels::MapArgs& unscaled, const kernels::MapGrads& grads);

/// Whether kernels evaluate psi with this activation as the MLP it is.
bool has_dense(const std::string& activation);

/// Of w1, b1 ([hid] or, a channel's own, [L, hid]), w2 [L, hid] and b2 [L], float32, on one device.
/// name: auto, dense, pwl; activation: relu, gelu, silu, leaky_relu, hardtanh. auto takes pwl for
/// piecewise-linear activations, for relu up to kMaxAutoKnots knots. An evaluation that an
/// activation does not have, and pwl with more than kMaxKnots knots, is a bug of the caller
/// (ops/checks.h refuses both).
std::unique_ptr<Psi> make_psi(const std::string& name, const std::string& activation,
                              at::TensorList params);

inline constexpr int64_t kMaxAutoKnots = 4096;

/// float64 host copies of tensors of one dtype on one device, flattened. One copy from a device.
std::vector<std::vector<double>> to_host(at::TensorList tensors);
std::vector<double> to_host(const at::Tensor& tensor);

}  // namespace luna::psi
