// torch.func: what the fused operators cannot do under its transforms is refused in one sentence
// (grad, vjp and jacrev: ops/autograd.cpp).
#include <torch/library.h>

namespace luna::ops {
namespace {

void refuse_vmap(const c10::OperatorHandle& op, torch::jit::Stack*) {
  TORCH_CHECK_NOT_IMPLEMENTED(false, op.operator_name().name,
                              ": torch.vmap is not offered; make the mapped dimension part of B "
                              "(flatten it into the batch), or use luna::reference_attention.");
}

void refuse_all(torch::Library& library) {
  for (const char* op :
       {"luna_attention", "fixed_attention", "luna_prefill", "fixed_prefill", "luna_decode_step",
        "fixed_decode_step", "_attention_forward", "_attention_backward", "_decode_step"}) {
    library.impl(op, torch::CppFunction::makeFromBoxedFunction<&refuse_vmap>());
  }
}

}  // namespace

TORCH_LIBRARY_IMPL(luna, FuncTorchBatched, library) { refuse_all(library); }

/// The older vmap of torch.autograd: is_grads_batched, functional.jacobian(vectorize=True).
TORCH_LIBRARY_IMPL(luna, Batched, library) { refuse_all(library); }

}  // namespace luna::ops
