// Tensors of a case, and one run of an operator over them, gradients included.
#pragma once

#include "runtime/luna.h"
#include "tests/support/cases.h"

namespace luna::test {

/// float32 CPU tensors of a case. Tokens with a pre-activation or a feature within 1e-5 of a kink
/// are redrawn: there two correct roundings may take different sides.
ops::Inputs make_inputs(const Case& c);

/// New q and k for parameters that were changed since, again away from every kink.
void redraw_tokens(const Case& c, ops::Inputs& inputs);

/// grad_output [B, H, Nq, dv] of a case.
at::Tensor make_grad(const Case& c);

/// x with the same values, laid out in memory as asked. expanded: head 0 for every head.
at::Tensor lay_out(const at::Tensor& x, Layout layout);

/// A call's arguments of the public operators; options neither masked nor packed.
LunaParams luna_params(const ops::Inputs& inputs);
LunaOptions options_of(const ops::Spec& spec);

/// Which implementation runs. numerator: the reference with its denominator held constant.
enum class Through { fused, reference, numerator };

/// The same inputs on another device.
ops::Inputs move_to(const ops::Inputs& inputs, c10::Device device);

/// Where the fused operators run: the device that $LUNA_TEST_DEVICE names, else the CPU. Inputs and
/// results stay on the host; autograd sees the copies.
c10::Device fused_device();

at::Tensor run_forward(const ops::Inputs& inputs, const ops::Spec& spec, Through through);

/// Output and the gradients of q, k, v and every learned parameter, by name.
struct Result {
  std::vector<std::string> names;  ///< out, dq, dk, dv, then parameters
  std::vector<at::Tensor> tensors;
};
Result run(const ops::Inputs& inputs, const ops::Spec& spec, const at::Tensor& grad,
           Through through, at::ScalarType dtype = at::kFloat);

}  // namespace luna::test
