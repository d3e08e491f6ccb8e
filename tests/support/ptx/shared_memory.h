// Shared memory of a block, with a shadow that knows who read and wrote each granule since the last
// barrier.
#pragma once

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

  /// Notes the access of a thread to bytes within the memory; throws Fault (with that lane) for an
  /// unwritten read or a race.
  void access(Access access, uint64_t address, size_t bytes, uint32_t thread, int lane);

 private:
  /// Tags are (epoch << kThreadBits) + thread; 0 is never. Every barrier begins an epoch.
  struct Shadow {
    uint32_t written = 0;
    uint32_t read = 0;
  };
  static constexpr int kThreadBits = 11;
  static constexpr uint32_t kThreadMask = (1 << kThreadBits) - 1;
  static constexpr uint32_t kSeveral = kThreadMask;      ///< More than one reader.
  static constexpr uint32_t kAtomics = kThreadMask - 1;  ///< Written by atomics alone.

  uint32_t tag(uint32_t thread) const { return (epoch_ << kThreadBits) + thread; }
  bool now(uint32_t tag) const { return tag >> kThreadBits == epoch_; }
  void note_read(Shadow& shadow, uint64_t address, uint32_t thread, int lane);
  void note_write(Shadow& shadow, uint64_t address, uint32_t thread, uint32_t writer, int lane);
  [[noreturn]] void race(const char* does, const char* did, uint64_t address, uint32_t other,
                         int lane) const;

  Shape block_;
  size_t bytes_;
  int granule_bits_;
  uint32_t epoch_ = 1;
  std::vector<std::max_align_t> data_;
  std::vector<Shadow> shadow_;
};

}  // namespace luna::test::ptx
