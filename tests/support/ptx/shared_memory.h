// Shared memory of a block, with a shadow that knows who read and wrote each granule since the last
// barrier.
#pragma once

#include <array>
#include <vector>

#include "tests/support/ptx/launch.h"

namespace luna::test::ptx {

enum class Access : uint8_t { kRead, kWrite, kAtomic };

class SharedMemory {
 public:
  /// All accesses are multiples of `granule` bytes, aligned to it.
  SharedMemory(size_t bytes, size_t granule, Shape block);

  size_t size() const { return bytes_; }
  std::byte* data() { return reinterpret_cast<std::byte*>(data_.data()); }
  const std::byte* data() const { return reinterpret_cast<const std::byte*>(data_.data()); }

  /// Nothing is written yet.
  void start_block();
  /// All threads of the block have met.
  void barrier();
  /// The lanes of a warp have met.
  void warp_barrier(uint32_t warp);

  using Addresses = std::array<uint64_t, kLanes>;  ///< of the lanes of a warp

  /// Notes the accesses of the lanes in `mask`, of the warp whose first thread is `first`, to bytes
  /// within the memory; throws Fault (with the lane) for an unwritten read or a race.
  void access(Access access, const Addresses& address, size_t bytes, uint32_t first, uint32_t mask);

 private:
  /// Tags are (epoch << kThreadBits) + thread; 0 is never. Every barrier, of the block or of a
  /// warp, begins an epoch.
  struct Shadow {
    uint32_t written = 0;
    uint32_t read = 0;
  };
  static constexpr int kThreadBits = 11;
  static constexpr uint32_t kThreadMask = (1 << kThreadBits) - 1;
  static constexpr uint32_t kSeveral = kThreadMask;      ///< Readers of more than one warp.
  static constexpr uint32_t kAtomics = kThreadMask - 1;  ///< Written by atomics alone.
  static constexpr uint32_t kSeveralOfWarp = 1024;       ///< Plus the warp: several of its lanes.

  uint32_t tag(uint32_t thread) const { return (epoch_ << kThreadBits) + thread; }
  /// Whether no barrier lies between the access of that tag and one of `thread` now.
  bool now(uint32_t tag, uint32_t thread) const;
  static uint32_t warp_of(uint32_t who) {
    return who < kSeveralOfWarp ? who / kLanes : who - kSeveralOfWarp;
  }
  /// Nothing has met the granule since the last barrier of the block: all may.
  bool settled(uint32_t tag) const { return tag < block_epoch_ << kThreadBits; }
  void next_epoch();
  template <Access kAccess>
  void note(uint64_t address, size_t bytes, uint32_t thread, int lane);
  template <Access kAccess>
  void note_lanes(const Addresses& address, size_t bytes, uint32_t first, uint32_t mask);
  void note_read(Shadow& shadow, uint64_t address, uint32_t thread, int lane);
  void note_write(Shadow& shadow, uint64_t address, uint32_t thread, uint32_t writer, int lane);
  [[noreturn]] void race(const char* does, const char* did, uint64_t address, uint32_t other,
                         int lane) const;

  Shape block_;
  size_t bytes_;
  int granule_bits_;
  uint32_t epoch_ = 1, block_epoch_ = 1;   ///< The current one; the first since all have met.
  std::array<uint32_t, 32> warp_epoch_{};  ///< Likewise of the lanes of each warp.
  std::vector<std::max_align_t> data_;
  std::vector<Shadow> shadow_;
};

}  // namespace luna::test::ptx
