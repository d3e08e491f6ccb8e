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
  epoch_ = block_epoch_ = 1;
  warp_epoch_.fill(1);
  std::fill(shadow_.begin(), shadow_.end(), Shadow{});
}

void SharedMemory::next_epoch() {
  epoch_++;
  if (epoch_ >> (32 - kThreadBits)) {
    // The tags are full: what was written stays written, in an epoch before the next one.
    for (Shadow& shadow : shadow_) shadow = {shadow.written ? 1u << kThreadBits : 0, 0};
    epoch_ = block_epoch_ = 2;
    warp_epoch_.fill(2);
  }
}

void SharedMemory::barrier() {
  next_epoch();
  block_epoch_ = epoch_;
}

void SharedMemory::warp_barrier(uint32_t warp) {
  next_epoch();
  warp_epoch_[warp] = epoch_;
}

bool SharedMemory::now(uint32_t tag, uint32_t thread) const {
  const uint32_t epoch = tag >> kThreadBits, who = tag & kThreadMask, warp = thread / kLanes;
  if (epoch < block_epoch_) return false;
  return who >= kAtomics || warp_of(who) != warp || epoch >= warp_epoch_[warp];
}

/// What changes nothing, or can be no race, is decided here; the rest below.
template <Access kAccess>
inline void SharedMemory::note(uint64_t address, size_t bytes, uint32_t thread, int lane) {
  const uint64_t end = (address + bytes) >> granule_bits_;
  const uint32_t own = tag(thread), warp = tag(kSeveralOfWarp + thread / kLanes);
  for (uint64_t granule = address >> granule_bits_; granule < end; granule++) {
    Shadow& shadow = shadow_[granule];
    const uint64_t here = granule << granule_bits_;
    if (kAccess == Access::kWrite) {
      if (settled(shadow.written) && settled(shadow.read))
        shadow.written = own;
      else
        note_write(shadow, here, thread, thread, lane);
    } else if (kAccess == Access::kRead || !shadow.written) {
      const bool kept = shadow.read == own || shadow.read == warp || shadow.read == tag(kSeveral);
      if (!shadow.written || !settled(shadow.written) || !(kept || settled(shadow.read)))
        note_read(shadow, here, thread, lane);
      else if (!kept)
        shadow.read = own;
    }
    if (kAccess == Access::kAtomic) note_write(shadow, here, thread, kAtomics, lane);
  }
}

template <Access kAccess>
void SharedMemory::note_lanes(const Addresses& address, size_t bytes, uint32_t first,
                              uint32_t mask) {
  for (; mask; mask &= mask - 1) {
    const int lane = __builtin_ctz(mask);
    note<kAccess>(address[lane], bytes, first + static_cast<uint32_t>(lane), lane);
  }
}

void SharedMemory::access(Access access, const Addresses& address, size_t bytes, uint32_t first,
                          uint32_t mask) {
  if (access == Access::kRead) return note_lanes<Access::kRead>(address, bytes, first, mask);
  if (access == Access::kWrite) return note_lanes<Access::kWrite>(address, bytes, first, mask);
  note_lanes<Access::kAtomic>(address, bytes, first, mask);
}

inline void SharedMemory::note_read(Shadow& shadow, uint64_t address, uint32_t thread, int lane) {
  const uint32_t own = tag(thread);
  if (!shadow.written) {
    throw Fault{kLaunchFailed, lane,
                fmt::format("unwritten shared memory: reads address {:#x} that this block has not "
                            "written",
                            address)};
  }
  if ((shadow.written & kThreadMask) != thread && now(shadow.written, thread)) {
    race("reads", "wrote", address, shadow.written & kThreadMask, lane);
  }
  if (shadow.read == own) return;
  const uint32_t before = shadow.read & kThreadMask;
  if (before == thread || !now(shadow.read, thread)) {
    shadow.read = own;
  } else if (before < kAtomics && warp_of(before) == thread / kLanes) {
    shadow.read = tag(kSeveralOfWarp + thread / kLanes);
  } else {
    shadow.read = tag(kSeveral);
  }
}

inline void SharedMemory::note_write(Shadow& shadow, uint64_t address, uint32_t thread,
                                     uint32_t writer, int lane) {
  const uint32_t written = shadow.written & kThreadMask, read = shadow.read & kThreadMask;
  if (written != thread && written != writer && shadow.written && now(shadow.written, thread)) {
    race("writes", "wrote", address, written, lane);
  }
  if (read != thread && shadow.read && now(shadow.read, thread)) {
    race("writes", "read", address, read, lane);
  }
  shadow.written = tag(writer);
}

void SharedMemory::race(const char* does, const char* did, uint64_t address, uint32_t other,
                        int lane) const {
  const std::string who = other == kAtomics         ? "an atomic"
                          : other >= kSeveralOfWarp ? "several threads"
                                                    : "thread " + block_.place(other);
  throw Fault{kLaunchFailed, lane,
              fmt::format("data race: {} shared address {:#x} that {} {} since the last barrier",
                          does, address, who, did)};
}

}  // namespace luna::test::ptx
