#include "runtime/ops/overlap.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace luna::ops {
namespace {

int64_t elements_of_storage(const at::Tensor& x) {
  return std::max<int64_t>(1, static_cast<int64_t>(x.storage().nbytes()) / x.element_size());
}

/// How far the elements of x reach mod P: the length of the arc from its first.
int64_t reach(const at::Tensor& x, int64_t P) {
  int64_t length = 0;
  for (int64_t i = 0; i < x.dim(); ++i) {
    if (x.stride(i) % P != 0) length += x.stride(i) * (x.size(i) - 1);
  }
  return length;
}

bool apart_mod(const at::Tensor& x, const at::Tensor& other, int64_t P) {
  const int64_t distance = other.storage_offset() - x.storage_offset();
  const int64_t gap = (distance % P + P) % P;  // from x's first to the other's, upwards
  return gap > reach(x, P) && gap + reach(other, P) < P;
}

}  // namespace

bool may_overlap_itself(const at::Tensor& x) {
  std::vector<std::pair<int64_t, int64_t>> dims;  // stride, size
  for (int64_t i = 0; i < x.dim(); ++i) {
    if (x.size(i) > 1) dims.emplace_back(x.stride(i), x.size(i));
  }
  std::sort(dims.begin(), dims.end());
  int64_t reached = 0;
  for (const auto& [stride, size] : dims) {
    if (stride <= reached) return true;
    reached += stride * (size - 1);
  }
  return false;
}

bool apart_by_strides(const at::Tensor& x, const at::Tensor& other) {
  if (apart_mod(x, other, elements_of_storage(x))) return true;  // one lies behind the other
  for (const at::Tensor* view : {&x, &other}) {
    for (const int64_t P : view->strides()) {
      if (P > 0 && apart_mod(x, other, P)) return true;
    }
  }
  return false;
}

bool share_elements(const at::Tensor& x, const at::Tensor& other) {
  if (!x.is_alias_of(other) || x.dtype() != other.dtype()) return false;
  if (apart_by_strides(x, other)) return false;
  const at::Tensor marks = at::zeros({elements_of_storage(x)}, x.options().dtype(at::kBool));
  const auto view = [&](const at::Tensor& own) {
    return marks.as_strided(own.sizes(), own.strides(), own.storage_offset());
  };
  view(x).fill_(true);
  return view(other).any().item<bool>();
}

}  // namespace luna::ops
