// What is launched, what a launch may touch, and how it fails.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/ptx/module.h"

namespace luna::test::ptx {

/// CUDA's error codes.
inline constexpr int kIllegalAddress = 700;
inline constexpr int kMisalignedAddress = 716;
inline constexpr int kLaunchFailed = 719;

/// What went wrong for one lane of a warp, while it runs.
struct Fault {
  int code;
  int lane;
  std::string problem;
};

/// A launch that failed: the code, and the whole message.
struct LaunchError {
  int code;
  std::string message;
};

struct Shape {
  uint32_t x = 1, y = 1, z = 1;

  uint64_t count() const { return uint64_t(x) * y * z; }
  /// "(x, y, z)" of an index that counts x first.
  std::string place(uint64_t index) const {
    return fmt::format("({}, {}, {})", index % x, index / x % y, index / x / y);
  }
};

struct Launch {
  const Module& module;
  const Kernel& kernel;
  Shape grid;
  Shape block;
  size_t dynamic_shared;
  const std::byte* parameters;  ///< As the kernel lays them out.
};

/// The ranges that global accesses must lie in; while there are none, every access passes. Ranges
/// may overlap and be added several times; an access may cross from one into another that overlaps
/// it.
class Allocations {
 public:
  void add(const void* begin, size_t bytes) {
    const auto first = reinterpret_cast<uint64_t>(begin);
    ranges_.emplace(first, first + bytes);
    stale_ = true;
  }
  /// Takes one addition of that very range back.
  void remove(const void* begin, size_t bytes) {
    const auto first = reinterpret_cast<uint64_t>(begin);
    const auto found = ranges_.find({first, first + bytes});
    if (found != ranges_.end()) ranges_.erase(found);
    stale_ = true;
  }
  bool empty() const { return ranges_.empty(); }
  bool contains(uint64_t address, size_t bytes) {
    if (stale_) merge();
    if (last_.first <= address && ends_in(last_, address, bytes)) return true;
    auto found = std::upper_bound(merged_.begin(), merged_.end(), Range{address, UINT64_MAX});
    if (found == merged_.begin() || !ends_in(*--found, address, bytes)) return false;
    last_ = *found;
    return true;
  }

 private:
  using Range = std::pair<uint64_t, uint64_t>;  // begin, end

  /// Whether bytes from `address`, not before the range, end in it; addresses do not wrap.
  static bool ends_in(const Range& range, uint64_t address, uint64_t bytes) {
    return address <= range.second && bytes <= range.second - address;
  }

  void merge() {
    merged_.clear();
    for (const Range& range : ranges_) {
      if (!merged_.empty() && range.first < merged_.back().second) {
        merged_.back().second = std::max(merged_.back().second, range.second);
      } else {
        merged_.push_back(range);
      }
    }
    last_ = {};
    stale_ = false;
  }

  std::multiset<Range> ranges_;
  std::vector<Range> merged_;
  Range last_{};
  bool stale_ = false;
};

}  // namespace luna::test::ptx
