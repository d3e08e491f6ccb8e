#include "runtime/kernels/cpu/key_sums.h"

namespace luna::kernels::cpu {

at::Tensor key_sums_memory(const Problem& p, at::IntArrayRef shape) {
  const auto bytes = static_cast<size_t>(c10::multiply_integers(shape)) * sizeof(float);
  const bool keeps = p.keeps_sums && bytes <= 2 * p.v.nbytes();
  return keeps ? at::empty(shape, at::kFloat) : at::Tensor();
}

at::Tensor key_sums_of(const Forward& saved, at::IntArrayRef shape) {
  if (saved.key_sums.empty() || !saved.key_sums.front().defined()) return {};
  const at::Tensor& sums = saved.key_sums.front();
  const bool fits = sums.sizes() == shape && sums.scalar_type() == at::kFloat &&
                    sums.is_contiguous() &&
                    reinterpret_cast<uintptr_t>(sums.const_data_ptr()) % kKeySumsAlignment == 0;
  return fits ? sums : at::Tensor();
}

}  // namespace luna::kernels::cpu
