#include "runtime/kernels/head_order.h"

namespace luna::kernels {

at::Tensor HeadOrder::arrange(const at::Tensor& x) const {
  const int64_t width = x.size(3), each = x.size(1) / key_heads;
  if (own_maps) return x.squeeze(2).transpose(0, 1).unsqueeze(0);
  return x.unflatten(1, {key_heads, each})
      .permute({2, 0, 1, 3, 4})
      .reshape({1, each, tokens(), width});
}

at::Tensor HeadOrder::by_sequence(const at::Tensor& arranged) const {
  const at::Tensor x = arranged.squeeze(0);
  if (own_maps) return x.unflatten(0, {key_heads, x.size(0) / key_heads}).permute({2, 0, 1, 3});
  return x.unflatten(1, {batch, key_heads}).permute({1, 2, 0, 3});
}

MapArgs HeadOrder::arrange(MapArgs map) const {
  if (map.token_values.defined() && !own_maps) {
    map.token_values = map.token_values.repeat_interleave(key_heads, 0);
  }
  return map;
}

}  // namespace luna::kernels
