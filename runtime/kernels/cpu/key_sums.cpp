#include "runtime/kernels/cpu/key_sums.h"

#include <c10/util/accumulate.h>

#include <cstdint>

namespace luna::kernels::cpu {

at::Tensor key_sums_memory(const Problem& p, at::IntArrayRef shape, int64_t most) {
  const auto bytes = static_cast<size_t>(c10::multiply_integers(shape)) * sizeof(float);
  const bool keeps = p.keeps_sums && bytes <= static_cast<size_t>(most) * p.v.nbytes();
  return keeps ? at::empty(shape, at::kFloat) : at::Tensor();
}

at::Tensor key_sums_of(const Forward& saved, at::IntArrayRef shape) {
  if (saved.key_sums.empty() || !saved.key_sums.front().defined()) return {};
  const at::Tensor& sums = saved.key_sums.front();
  const bool floats = sums.is_cpu() && sums.has_storage() && sums.scalar_type() == at::kFloat &&
                      !sums.is_neg() && !sums.key_set().has(c10::DispatchKey::Python);
  if (!floats || sums.sizes() != shape || !sums.is_contiguous()) return {};
  // Mutable, so that memory that is copied on write is copied here: threads may not.
  const auto place = reinterpret_cast<uintptr_t>(sums.mutable_data_ptr());
  return place % kKeySumsAlignment == 0 ? sums : at::Tensor();
}

}  // namespace luna::kernels::cpu
