#include "runtime/ops/layout.h"

namespace luna::ops {

at::Tensor unit_last_stride(const at::Tensor& x) {
  if (x.sym_stride(-1) == 1) return x;
  return x.clone(at::MemoryFormat::Contiguous);
}

at::Tensor aligned(const at::Tensor& x) {
  constexpr int64_t kFloats = 4;  // 16 bytes
  if (!x.is_cuda() || x.size(-1) % kFloats != 0)
    return x;  // odd rows: the kernels zero-pad them anyway
  bool ok = reinterpret_cast<uintptr_t>(x.const_data_ptr()) % 16 == 0;
  for (int64_t dim = 0; dim + 1 < x.dim(); ++dim) ok = ok && x.stride(dim) % kFloats == 0;
  return ok ? x : x.clone(at::MemoryFormat::Contiguous);
}

}  // namespace luna::ops
