// The memory that a warp's loads, stores and atomics reach, with every access checked.
#pragma once

#include "tests/support/ptx/global_memory.h"
#include "tests/support/ptx/sectors.h"
#include "tests/support/ptx/warp.h"

namespace luna::test::ptx {

/// Throws Fault.
[[noreturn]] void misaligned(int lane, uint64_t address, size_t bytes);

class Memory {
 public:
  Memory(const Launch& launch, Allocations& allocations);

  SharedMemory& shared() { return shared_; }
  GlobalMemory& global() { return global_; }
  const Sectors& sectors() const { return sectors_; }
  /// Of the first thread of the block.
  const std::byte* local() const { return local_.data(); }

  // Each throws Fault.
  void load(const Instruction& in, Warp& warp, uint32_t mask);
  void store(const Instruction& in, Warp& warp, uint32_t mask);
  void update(const Instruction& in, Warp& warp, uint32_t mask);
  /// Of all lanes of a whole warp.
  void load_matrix(const Instruction& in, Warp& warp);

 private:
  using Places = std::array<std::byte*, kLanes>;

  /// The addresses of lanes, and what lies between the lowest and the highest of those in a mask.
  struct Reach {
    SharedMemory::Addresses address;
    uint64_t lowest, bytes;
    bool aligned;
    bool gapless;  ///< side by side in the lanes' order, or one address for all: nothing between
  };
  static Reach reach(const Instruction& in, const std::byte* file, uint32_t mask);
  /// Counts and checks an access to global memory that may be accessed.
  void note_global(Access access, const Reach& reach, size_t bytes, uint32_t first, uint32_t mask);

  void locate(const Instruction& in, Warp& warp, uint32_t mask, Access access, Places& places);
  std::byte* locate_one(const Instruction& in, Warp& warp, int lane, Access access,
                        uint64_t address);
  std::byte* shared_place(uint64_t address, size_t bytes, int lane);
  Space space_of(const Instruction& in, uint32_t thread, uint64_t& address) const;

  const Launch& launch_;
  Allocations& allocations_;
  Sectors sectors_;
  SharedMemory shared_;
  GlobalMemory global_;
  std::vector<std::byte> local_;
};

}  // namespace luna::test::ptx
