// The 32-byte sectors of global memory that warps touch, access by access: what an access moves,
// whatever a cache holds.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "tests/support/ptx/instruction.h"

namespace luna::test::ptx {

struct Sectors {
  uint64_t loaded = 0, stored = 0;
  uint64_t stores = 0;  ///< of threads

  /// One access of so many lanes to every byte from `first` on, `bytes` of them.
  void note_gapless(bool is_store, uint64_t first, uint64_t bytes, int lanes) {
    if (is_store) stores += static_cast<uint64_t>(lanes);
    (is_store ? stored : loaded) += (first + bytes - 1) / 32 - first / 32 + 1;
  }
  /// One access of the lanes in `mask`; a lane's is aligned, and so within one sector.
  void note(bool is_store, const std::array<uint64_t, kLanes>& address, uint32_t mask) {
    if (is_store) stores += static_cast<uint64_t>(__builtin_popcount(mask));
    std::array<uint64_t, kLanes> touched;
    auto end = touched.begin();
    bool ascending = true;
    for (; mask; mask &= mask - 1) {
      const uint64_t sector = address[__builtin_ctz(mask)] / 32;
      if (end != touched.begin() && sector == end[-1]) continue;
      ascending = ascending && (end == touched.begin() || sector > end[-1]);
      *end++ = sector;
    }
    if (!ascending) {
      std::sort(touched.begin(), end);
      end = std::unique(touched.begin(), end);
    }
    (is_store ? stored : loaded) += static_cast<uint64_t>(end - touched.begin());
  }

  Sectors& operator+=(const Sectors& more) {
    loaded += more.loaded;
    stored += more.stored;
    stores += more.stores;
    return *this;
  }
};

}  // namespace luna::test::ptx
