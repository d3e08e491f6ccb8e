// What tasks share: the order in which training examples are visited, and the majority class.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace luna::experiments {

/// Training visits every example once an epoch, in an order drawn from (seed, epoch). The epochs
/// follow each other without a gap, so a batch may hold the end of one and the start of the next.
class EpochOrder {
 public:
  explicit EpochOrder(int64_t examples) : examples_(examples) {}

  /// Examples number [step * size, (step + 1) * size) of the sequence that `seed` stands for.
  std::vector<int64_t> batch(int64_t size, uint64_t seed, int64_t step) const;

 private:
  using Order = std::shared_ptr<const std::vector<int64_t>>;
  Order order(uint64_t seed, int64_t epoch) const;

  int64_t examples_;
  // The order used last: a cache that changes no result.
  mutable std::mutex mutex_;
  mutable Order cached_;
  mutable uint64_t cached_seed_ = 0;
  mutable int64_t cached_epoch_ = -1;
};

/// The indices [begin, begin + count). Throws std::out_of_range if they are not in [0, examples).
std::vector<int64_t> held_out_range(int64_t begin, int64_t count, int64_t examples);

/// Share of the commonest number among labels in [0, classes).
double majority_share(const std::vector<int64_t>& labels, int64_t classes);

}  // namespace luna::experiments
