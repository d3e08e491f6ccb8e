#include "runtime/kernels/cpu/search_tree.h"

#include <limits>

#include "runtime/kernels/cpu/locate.h"

namespace luna::kernels {
namespace {

/// Node k of the tree's last level holds knots 16 k .. 16 k + 15, and a node above holds the
/// largest knot below each of its children. Absent knots are +inf.
void fill_level(const float* knots, int64_t count, int levels, int level, float* nodes,
                int64_t node_count) {
  const int64_t width = tiles::kSearchWidth;
  int64_t stride = 1;
  for (int below = level + 1; below < levels; below++) {
    stride *= width;
  }
  for (int64_t k = 0; k < node_count * width; k++) {
    const int64_t index = (k + 1) * stride - 1;
    nodes[k] = index < count ? knots[index] : std::numeric_limits<float>::infinity();
  }
}

}  // namespace

at::Tensor search_tree(const at::Tensor& knots, int levels) {
  TORCH_INTERNAL_ASSERT(knots.numel() <= tree_knots(levels), knots.numel(), " knots");
  int64_t total = 0, nodes = 1;
  for (int level = 0; level < levels; level++) {
    total += nodes;
    nodes = nodes * tiles::kSearchWidth + 1;
  }
  at::Tensor tree = at::empty({total, tiles::kSearchWidth}, at::kFloat);
  float* out = tree.data_ptr<float>();
  const at::Tensor sorted = knots.contiguous();
  nodes = 1;
  for (int level = 0; level < levels; level++) {
    fill_level(sorted.const_data_ptr<float>(), knots.numel(), levels, level, out, nodes);
    out += nodes * tiles::kSearchWidth;
    nodes = nodes * tiles::kSearchWidth + 1;
  }
  return tree;
}

int locate_levels(int64_t knots) {
  int levels = 4;
  while ((int64_t{1} << levels) <= knots) levels++;
  return levels <= kMaxLocateLevels ? levels : 0;
}

at::Tensor search_levels(const std::vector<float>& knots, int levels) {
  int64_t total = 0;
  for (int level = 0; level < levels; level++) {
    total += tiles::round_up(int64_t{1} << level, tiles::kLanes);
  }
  at::Tensor tree = at::full({total}, std::numeric_limits<float>::quiet_NaN(), at::kFloat);
  float* out = tree.data_ptr<float>();
  for (int level = 0; level < levels; level++) {
    const int64_t count = int64_t{1} << level, below = int64_t{1} << (levels - 1 - level);
    for (int64_t k = 0; k < count; k++) {
      const auto index = static_cast<size_t>((2 * k + 1) * below - 1);
      if (index < knots.size()) out[k] = knots[index];
    }
    out += tiles::round_up(count, tiles::kLanes);
  }
  return tree;
}

}  // namespace luna::kernels
