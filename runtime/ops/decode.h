// Decoding, token by token: the operators' work behind runtime/torch_library_decode.cpp.
#pragma once

#include "runtime/ops/internal.h"

namespace luna::ops {

/// q [B, H, d], k [B, Hk, d], v [B, Hk, dv], positions int64 [B] as Inputs has them, all of rank 3.
struct StepInputs {
  Inputs token;
  at::Tensor state;  ///< [B, Hk, D, dv] float32, updated in place
  at::Tensor norm;   ///< [B, Hk, D] float32, updated in place
};

/// Checks of a step; every message begins with op and names the argument.
void check_step(const char* op, const StepInputs& inputs, const Spec& spec);
/// Of those, what values and memory alone tell: once more where a traced graph runs.
void check_step_values(const char* op, const StepInputs& inputs, const Spec& spec);

/// Checked, then through the dispatcher: the output [B, H, dv]. The spec is a causal one.
at::Tensor decode_step(const char* op, StepInputs inputs, const Spec& spec);

/// The internal operator luna::_decode_step: of real tensors, its shapes, and autograd, which
/// records nothing and counts the changes of state and norm.
using DecodeOp = at::Tensor(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& state, const at::Tensor& norm, at::TensorList params,
                            const std::optional<at::Tensor>& positions, std::string feature_map,
                            std::string activation, bool nonneg, std::string envelope,
                            std::string psi, std::string denominator, double eps,
                            double feature_eps);
DecodeOp decode_kernel, decode_shapes, decode_autograd;

}  // namespace luna::ops
