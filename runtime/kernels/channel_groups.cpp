#include "runtime/kernels/channel_groups.h"

namespace luna::kernels {

at::Tensor ChannelGroups::repeat(const at::Tensor& rows) const {
  return count == 1 ? rows : rows.repeat_interleave(count, 0);
}

at::Tensor ChannelGroups::sum_repeated(const at::Tensor& rows) const {
  return rows.unflatten(0, {rows.size(0) / count, count}).sum(1);
}

at::Tensor ChannelGroups::split_table(const at::Tensor& table) const {
  const at::Tensor narrow = table.to(at::kFloat);
  if (count == 1 && L == tile) return narrow.unsqueeze(0);
  const at::Tensor padded = at::constant_pad_nd(narrow, {0, count * tile - L});
  return padded.unflatten(2, {count, tile}).permute({2, 0, 1, 3}).contiguous();
}

at::Tensor ChannelGroups::merge_segments(const at::Tensor& sums) const {
  const at::Tensor by_segment = sums.unflatten(0, {count, sums.size(0) / count}).transpose(0, 1);
  return by_segment.reshape({by_segment.size(0), count * tile}).narrow(1, 0, L).clone();
}

}  // namespace luna::kernels
