// Forward and backward of every linear attention on real tensors: folds the parameters, calls the
// kernels and takes their gradients apart again. No autograd here (autograd.cpp), no checks
// (checks.h).
#pragma once

#include "runtime/kernels/kernels.h"
#include "runtime/ops/prepared_map.h"
#include "runtime/ops/spec.h"

namespace luna::ops {

/// What the forward hands to the backward beside its inputs. The inputs have passed the checks
/// (fused_forward of internal.h); their strides do not matter.
kernels::Forward attention_forward(const Inputs& inputs, const Spec& spec);

/// Gradients of q, k, v and of the parameters; undefined where not wanted.
struct Gradients {
  at::Tensor q, k, v;
  std::vector<at::Tensor> params;
};

/// Which of them are wanted: q, k, v, then each parameter.
struct WantedGradients {
  bool q, k, v;
  std::vector<bool> params;
};

/// grad [B, H, Nq, dv], any strides.
Gradients attention_backward(const at::Tensor& grad, const Inputs& inputs,
                             const kernels::Forward& saved, const Spec& spec,
                             const WantedGradients& wanted);

/// The same of one sequence, whatever its inputs say of packing, with the map of its parameters;
/// the parameters' gradients are float32.
kernels::Forward sequence_forward(const Inputs& inputs, const Spec& spec, const PreparedMap& map);
Gradients sequence_backward(const at::Tensor& grad, const Inputs& inputs,
                            const kernels::Forward& saved, const Spec& spec,
                            const WantedGradients& wanted, const PreparedMap& map);

}  // namespace luna::ops
