// How many warps of a kernel a multiprocessor holds at once. Limits by compute capability: CUDA C++
// Programming Guide, Technical Specifications per Compute Capability. Tested in
// tests/experiments/autotune.
#pragma once

#include <string>

namespace luna::autotune {

/// A multiprocessor, which has 65,536 registers on all of these.
struct Architecture {
  const char* name;  ///< "sm_90"
  int warps, blocks;
  int shared_kib;  ///< of which a block may have all but one

  int shared_of_block() const { return (shared_kib - 1) * 1024; }
};

/// The one of that name. Throws std::runtime_error that names those known.
const Architecture& architecture(const std::string& name);
/// The one of a device of capability 10 major + minor: the latest that is not beyond it,
/// the first one below all.
const Architecture& architecture_of(int capability);

/// What one block takes.
struct BlockUse {
  int registers;  ///< a thread
  int threads;
  int shared;  ///< bytes
};

struct Occupancy {
  int blocks, warps;       ///< 0: not even one block
  const char* limited_by;  ///< "registers", "shared memory", "warps", "blocks"
};
Occupancy occupancy(const Architecture& on, const BlockUse& use);

}  // namespace luna::autotune
