#include "runtime/kernels/cpu/search_tree.h"

#include <limits>

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

constexpr int kFewestLevels = 4;

/// The complete binary tree, level after level, level k with its 2^k knots padded to whole vectors.
/// Absent knots are NaN, which no t passes. knots: fewer than 2^levels, ascending.
at::Tensor complete_levels(const std::vector<float>& knots, int levels) {
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

SearchLevels::SearchLevels(const std::vector<float>& knots) {
  const auto total = static_cast<int64_t>(knots.size());
  int levels = kFewestLevels;
  while ((int64_t{1} << levels) <= total) levels++;
  if (levels > kMaxLocateLevels) return;
  tail_ = levels - 1 > kFewestLevels && total < (int64_t{1} << (levels - 1)) + kTailKnots;
  count_ = tail_ ? levels - 1 : levels;
  std::vector<float> tree, tail;
  for (size_t k = 0; k < knots.size(); k++) {
    (tail_ && k % 2 == 0 && tail.size() < kTailKnots ? tail : tree).push_back(knots[k]);
  }
  memory_ = complete_levels(tree, count_);
  if (tail_) memory_ = at::cat({memory_, at::tensor(tail, at::kFloat)});
}

}  // namespace luna::kernels
