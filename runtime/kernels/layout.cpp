#include "runtime/kernels/layout.h"

#include <array>

namespace luna::kernels {

at::Tensor empty_in_order_of(const at::Tensor& q, const c10::SymInt& width, at::ScalarType type) {
  std::array<int64_t, 3> order{0, 1, 2};
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return q.sym_stride(a) > q.sym_stride(b); });
  std::vector<c10::SymInt> sizes;
  std::vector<int64_t> inverse{0, 0, 0, 3};
  for (int64_t place = 0; place < 3; ++place) {
    sizes.push_back(q.sym_size(order[place]));
    inverse[order[place]] = place;
  }
  sizes.push_back(width);
  return at::empty_symint(sizes, q.options().dtype(type)).permute(inverse);
}

}  // namespace luna::kernels
