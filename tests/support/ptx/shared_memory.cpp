#include "tests/support/ptx/shared_memory.h"

#include <algorithm>

namespace luna::test::ptx {

SharedMemory::SharedMemory(size_t bytes, size_t granule, Shape block)
    : block_(block),
      bytes_(bytes),
      granule_bits_(__builtin_ctzll(granule)),
      data_(bytes / sizeof(std::max_align_t) + 1),
      shadow_((bytes >> granule_bits_) + 1) {}

void SharedMemory::start_block() {
  epoch_ = 1;
  std::fill(shadow_.begin(), shadow_.end(), Shadow{});
}

void SharedMemory::barrier() {
  epoch_++;
  if (epoch_ >> (32 - kThreadBits)) {
    // The tags are full: what was written stays written, in an epoch before the next one.
    for (Shadow& shadow : shadow_) shadow = {shadow.written ? 1u << kThreadBits : 0, 0};
    epoch_ = 2;
  }
}

void SharedMemory::access(Access access, uint64_t address, size_t bytes, uint32_t thread,
                          int lane) {
  const uint64_t end = (address + bytes) >> granule_bits_;
  for (uint64_t granule = address >> granule_bits_; granule < end; granule++) {
    Shadow& shadow = shadow_[granule];
    const uint64_t here = granule << granule_bits_;
    if (access == Access::kWrite) {
      note_write(shadow, here, thread, thread, lane);
    } else if (access == Access::kRead || !shadow.written) {
      note_read(shadow, here, thread, lane);
    }
    if (access == Access::kAtomic) note_write(shadow, here, thread, kAtomics, lane);
  }
}

inline void SharedMemory::note_read(Shadow& shadow, uint64_t address, uint32_t thread, int lane) {
  const uint32_t own = tag(thread);
  if (!shadow.written) {
    throw Fault{kLaunchFailed, lane,
                fmt::format("unwritten shared memory: reads address {:#x} that this block has not "
                            "written",
                            address)};
  }
  if (shadow.written != own && now(shadow.written)) {
    race("reads", "wrote", address, shadow.written & kThreadMask, lane);
  }
  if (shadow.read != own) shadow.read = now(shadow.read) ? tag(kSeveral) : own;
}

inline void SharedMemory::note_write(Shadow& shadow, uint64_t address, uint32_t thread,
                                     uint32_t writer, int lane) {
  const uint32_t own = tag(thread);
  const uint32_t written = tag(writer);
  if (shadow.written != own && shadow.written != written && now(shadow.written)) {
    race("writes", "wrote", address, shadow.written & kThreadMask, lane);
  }
  if (shadow.read != own && now(shadow.read)) {
    race("writes", "read", address, shadow.read & kThreadMask, lane);
  }
  shadow.written = written;
}

void SharedMemory::race(const char* does, const char* did, uint64_t address, uint32_t other,
                        int lane) const {
  const std::string who = other == kSeveral   ? "several threads"
                          : other == kAtomics ? "an atomic"
                                              : "thread " + block_.place(other);
  throw Fault{kLaunchFailed, lane,
              fmt::format("data race: {} shared address {:#x} that {} {} since the last barrier",
                          does, address, who, did)};
}

}  // namespace luna::test::ptx
