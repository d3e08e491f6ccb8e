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

at::Tensor empty_output(const at::Tensor& q, const c10::SymInt& dv) {
  std::array<int64_t, 3> order{0, 1, 2};
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return q.sym_stride(a) > q.sym_stride(b); });
  std::vector<c10::SymInt> sizes;
  std::vector<int64_t> inverse{0, 0, 0, 3};
  for (int64_t place = 0; place < 3; ++place) {
    sizes.push_back(q.sym_size(order[place]));
    inverse[order[place]] = place;
  }
  sizes.push_back(dv);
  return at::empty_symint(sizes, q.options()).permute(inverse);
}

}  // namespace luna::ops
