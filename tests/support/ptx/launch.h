// What is launched, what a launch may touch, and how it fails.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <string>

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

/// The ranges that global accesses must lie in; while there are none, every access passes.
class Allocations {
 public:
  void add(const void* begin, size_t bytes) {
    ranges_[reinterpret_cast<uint64_t>(begin)] = bytes;
    last_bytes_ = 0;
  }
  void remove(const void* begin) {
    ranges_.erase(reinterpret_cast<uint64_t>(begin));
    last_bytes_ = 0;
  }
  bool empty() const { return ranges_.empty(); }
  bool contains(uint64_t address, size_t bytes) {
    if (address - last_begin_ < last_bytes_ && address - last_begin_ + bytes <= last_bytes_) {
      return true;
    }
    auto found = ranges_.upper_bound(address);
    if (found == ranges_.begin()) return false;
    --found;
    if (address - found->first + bytes > found->second) return false;
    last_begin_ = found->first;
    last_bytes_ = found->second;
    return true;
  }

 private:
  std::map<uint64_t, size_t> ranges_;
  uint64_t last_begin_ = 0;
  size_t last_bytes_ = 0;
};

}  // namespace luna::test::ptx
