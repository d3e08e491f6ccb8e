#include "experiments/tasks/sampling.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "experiments/tasks/random.h"

namespace luna::experiments {

EpochOrder::Order EpochOrder::order(uint64_t seed, int64_t epoch) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!cached_ || cached_seed_ != seed || cached_epoch_ != epoch) {
    Random random({seed, static_cast<uint64_t>(epoch)});
    cached_ = std::make_shared<const std::vector<int64_t>>(random.distinct(examples_, examples_));
    cached_seed_ = seed;
    cached_epoch_ = epoch;
  }
  return cached_;
}

std::vector<int64_t> EpochOrder::batch(int64_t size, uint64_t seed, int64_t step) const {
  std::vector<int64_t> examples;
  examples.reserve(size);
  for (int64_t position = step * size; position < (step + 1) * size;) {
    const Order visited = order(seed, position / examples_);
    const int64_t first = position % examples_;
    const int64_t taken = std::min((step + 1) * size - position, examples_ - first);
    examples.insert(examples.end(), visited->begin() + first, visited->begin() + first + taken);
    position += taken;
  }
  return examples;
}

std::vector<int64_t> held_out_range(int64_t begin, int64_t count, int64_t examples) {
  if (begin < 0 || count < 0 || count > examples - begin) {
    throw std::out_of_range(fmt::format("examples {} to {} asked of a split that has {}", begin,
                                        begin + count, examples));
  }
  std::vector<int64_t> indices(count);
  std::iota(indices.begin(), indices.end(), begin);
  return indices;
}

double majority_share(const std::vector<int64_t>& labels, int64_t classes) {
  std::vector<int64_t> counts(classes);
  for (const int64_t label : labels) ++counts.at(label);
  const int64_t most = *std::max_element(counts.begin(), counts.end());
  return labels.empty() ? 0 : static_cast<double>(most) / static_cast<double>(labels.size());
}

}  // namespace luna::experiments
