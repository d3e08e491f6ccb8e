#include "tests/support/ptx/memory.h"

#include "tests/support/ptx/lanes.h"

namespace luna::test::ptx {
namespace {

/// Elements of type T in memory, of type R in registers.
template <class T, class R>
void load_as(std::byte* reg, size_t element, uint32_t mask,
             const std::array<std::byte*, kLanes>& places) {
  for_lanes(mask, [&](int lane) {
    T value;
    std::memcpy(&value, places[lane] + element * sizeof(T), sizeof(T));
    write<R>(reg, lane, static_cast<R>(value));
  });
}

template <class T>
void store_as(const std::byte* reg, bool wide, size_t element, uint32_t mask,
              const std::array<std::byte*, kLanes>& places) {
  for_lanes(mask, [&](int lane) {
    const T value = wide ? static_cast<T>(read<uint64_t>(reg, lane))
                         : static_cast<T>(read<uint32_t>(reg, lane));
    std::memcpy(places[lane] + element * sizeof(T), &value, sizeof(T));
  });
}

template <class Unsigned, class Signed>
void load_element(const Instruction& in, std::byte* reg, size_t element, uint32_t mask,
                  const std::array<std::byte*, kLanes>& places) {
  if (in.wide[element]) {
    in.sign_extend ? load_as<Signed, uint64_t>(reg, element, mask, places)
                   : load_as<Unsigned, uint64_t>(reg, element, mask, places);
  } else {
    in.sign_extend ? load_as<Signed, uint32_t>(reg, element, mask, places)
                   : load_as<Unsigned, uint32_t>(reg, element, mask, places);
  }
}

[[noreturn]] void illegal(int lane, const char* space, uint64_t address, size_t bytes,
                          const std::string& limit) {
  throw Fault{kIllegalAddress, lane,
              fmt::format("illegal address: {} address {:#x} ({} bytes) is outside {}", space,
                          address, bytes, limit)};
}

bool within(uint64_t address, size_t bytes, size_t size) {
  return address <= size && bytes <= size - address;
}

}  // namespace

void misaligned(int lane, uint64_t address, size_t bytes) {
  throw Fault{kMisalignedAddress, lane,
              fmt::format("misaligned address: {:#x} is not a multiple of {}", address, bytes)};
}

Memory::Memory(const Launch& launch, Allocations& allocations)
    : launch_(launch),
      allocations_(allocations),
      shared_(launch.kernel.shared_bytes + launch.dynamic_shared, launch.kernel.granule,
              launch.block),
      global_(launch.kernel.global_granule, launch.grid, launch.block),
      local_(launch.kernel.local_bytes * launch.block.count()) {}

void Memory::load(const Instruction& in, Warp& warp, uint32_t mask) {
  Places places;
  locate(in, warp, mask, Access::kRead, places);
  for (size_t i = 0; i < in.elements; i++) {
    std::byte* const reg = warp.file() + in.operand[1 + i];
    switch (in.bytes) {
      case 1:
        load_element<uint8_t, int8_t>(in, reg, i, mask, places);
        break;
      case 2:
        load_element<uint16_t, int16_t>(in, reg, i, mask, places);
        break;
      case 4:
        load_element<uint32_t, int32_t>(in, reg, i, mask, places);
        break;
      default:
        load_element<uint64_t, int64_t>(in, reg, i, mask, places);
    }
  }
}

void Memory::store(const Instruction& in, Warp& warp, uint32_t mask) {
  Places places;
  locate(in, warp, mask, Access::kWrite, places);
  for (size_t i = 0; i < in.elements; i++) {
    const std::byte* const reg = warp.file() + in.operand[1 + i];
    switch (in.bytes) {
      case 1:
        store_as<uint8_t>(reg, in.wide[i], i, mask, places);
        break;
      case 2:
        store_as<uint16_t>(reg, in.wide[i], i, mask, places);
        break;
      case 4:
        store_as<uint32_t>(reg, in.wide[i], i, mask, places);
        break;
      default:
        store_as<uint64_t>(reg, in.wide[i], i, mask, places);
    }
  }
}

/// Lane after lane.
void Memory::update(const Instruction& in, Warp& warp, uint32_t mask) {
  Places places;
  locate(in, warp, mask, Access::kAtomic, places);
  const auto word = [&](int operand, int lane) {
    const std::byte* const reg = warp.file() + in.operand[operand];
    return in.bytes == 8 ? read<uint64_t>(reg, lane) : read<uint32_t>(reg, lane);
  };
  for (; mask; mask &= mask - 1) {
    const int lane = __builtin_ctz(mask);
    uint64_t old = 0;
    std::memcpy(&old, places[lane], in.bytes);
    const uint64_t updated = in.update(old, word(2, lane), word(3, lane));
    std::memcpy(places[lane], &updated, in.bytes);
    if (in.bytes == 8)
      write(warp.file() + in.operand[1], lane, old);
    else
      write(warp.file() + in.operand[1], lane, static_cast<uint32_t>(old));
  }
}

/// Lanes that are not in the mask count as the first one that is.
Memory::Reach Memory::reach(const Instruction& in, const std::byte* file, uint32_t mask) {
  Reach reach;
  const std::byte* const base = file + in.operand[0];
  for (int lane = 0; lane < kLanes; lane++) {
    reach.address[lane] = in.wide_base
                              ? read<uint64_t>(base, lane) + static_cast<uint64_t>(in.offset)
                              : static_cast<uint32_t>(read<uint32_t>(base, lane) + in.offset);
  }
  const uint64_t first = reach.address[__builtin_ctz(mask)], own = in.bytes * in.elements;
  int64_t lowest = INT64_MAX, highest = INT64_MIN;
  uint64_t bits = 0, astray = ~mask;  // not 0: some lane is not beside the one before it
  for (int lane = 0; lane < kLanes; lane++) {
    const uint64_t address = mask >> lane & 1 ? reach.address[lane] : first;
    lowest = std::min(lowest, static_cast<int64_t>(address));
    highest = std::max(highest, static_cast<int64_t>(address));
    bits |= address;
    astray |= reach.address[lane] ^ (reach.address[0] + static_cast<uint64_t>(lane) * own);
  }
  reach.lowest = static_cast<uint64_t>(lowest);
  reach.bytes = static_cast<uint64_t>(highest) - reach.lowest + own;
  reach.aligned = (bits & (own - 1)) == 0;
  reach.gapless = astray == 0 || lowest == highest;
  return reach;
}

/// All lanes at once where everything from the lowest to the highest address may be accessed, which
/// is nearly always; else, to name the lane that may not, one by one.
void Memory::locate(const Instruction& in, Warp& warp, uint32_t mask, Access access,
                    Places& places) {
  const Reach reach = Memory::reach(in, warp.file(), mask);
  const size_t bytes = in.bytes * in.elements;
  const bool global = in.space == Space::kGlobal || in.space == Space::kGeneric;
  std::byte* origin = nullptr;
  bool inside = reach.aligned;
  if (in.space == Space::kShared) {
    origin = shared_.data();
    inside = inside && within(reach.lowest, reach.bytes, shared_.size());
  } else if (in.space == Space::kParam) {
    origin = const_cast<std::byte*>(launch_.parameters);
    inside = inside && access == Access::kRead &&
             within(reach.lowest, reach.bytes, launch_.kernel.parameter_bytes());
  } else {
    inside = inside && global && allocations_.contains(reach.lowest, reach.bytes);
  }
  if (inside) {
    const auto begin = reinterpret_cast<uint64_t>(origin);
    for (int lane = 0; lane < kLanes; lane++) {
      places[lane] = reinterpret_cast<std::byte*>(begin + reach.address[lane]);
    }
    if (in.space == Space::kShared)
      shared_.access(access, reach.address, bytes, warp.thread(0), mask);
    else if (global)
      note_global(access, reach, bytes, warp.thread(0), mask);
    return;
  }
  if (global) sectors_.note(access != Access::kRead, reach.address, mask);
  for (; mask; mask &= mask - 1) {
    const int lane = __builtin_ctz(mask);
    const uint64_t address = reach.address[lane];
    if (address & (bytes - 1)) misaligned(lane, address, bytes);
    places[lane] = locate_one(in, warp, lane, access, address);
  }
}

void Memory::note_global(Access access, const Reach& reach, size_t bytes, uint32_t first,
                         uint32_t mask) {
  const bool stores = access != Access::kRead;
  if (!reach.gapless) {
    sectors_.note(stores, reach.address, mask);
  } else {
    sectors_.note_gapless(stores, reach.lowest, reach.bytes, __builtin_popcount(mask));
    if (access != Access::kWrite && !global_.note_read(reach.lowest, reach.bytes)) return;
  }
  global_.access(access, reach.address, bytes, first, mask);
}

std::byte* Memory::shared_place(uint64_t address, size_t bytes, int lane) {
  if (!within(address, bytes, shared_.size())) {
    illegal(lane, "shared", address, bytes,
            fmt::format("the {} bytes of the block", shared_.size()));
  }
  return shared_.data() + address;
}

/// The space of a generic address, and the address within it.
Space Memory::space_of(const Instruction& in, uint32_t thread, uint64_t& address) const {
  if (in.space != Space::kGeneric) return in.space;
  const uint64_t shared = address - reinterpret_cast<uint64_t>(shared_.data());
  const uint64_t local =
      address - reinterpret_cast<uint64_t>(local_.data()) - thread * launch_.kernel.local_bytes;
  if (shared < shared_.size()) return address = shared, Space::kShared;
  if (local < launch_.kernel.local_bytes) return address = local, Space::kLocal;
  return Space::kGlobal;
}

std::byte* Memory::locate_one(const Instruction& in, Warp& warp, int lane, Access access,
                              uint64_t address) {
  const size_t bytes = in.bytes * in.elements;
  const uint32_t thread = warp.thread(lane);
  const Kernel& kernel = launch_.kernel;
  SharedMemory::Addresses own;
  const Space space = space_of(in, thread, address);
  own[lane] = address;
  switch (space) {
    case Space::kShared: {
      std::byte* const place = shared_place(address, bytes, lane);
      shared_.access(access, own, bytes, warp.thread(0), 1u << lane);
      return place;
    }
    case Space::kLocal:
      if (!within(address, bytes, kernel.local_bytes)) {
        illegal(lane, "local", address, bytes,
                fmt::format("the {} bytes of the thread", kernel.local_bytes));
      }
      return local_.data() + thread * kernel.local_bytes + address;
    case Space::kParam:
      if (access != Access::kRead || !within(address, bytes, kernel.parameter_bytes())) {
        illegal(lane, "parameter", address, bytes,
                fmt::format("the {} bytes to read", kernel.parameter_bytes()));
      }
      return const_cast<std::byte*>(launch_.parameters) + address;
    case Space::kConst:
      if (access != Access::kRead || !launch_.module.contains(address, bytes)) {
        illegal(lane, "constant", address, bytes, "the constants to read");
      }
      break;
    default:
      if (!allocations_.empty() && !allocations_.contains(address, bytes) &&
          !launch_.module.contains(address, bytes)) {
        illegal(lane, "global", address, bytes, "every registered allocation");
      }
      global_.access(access, own, bytes, warp.thread(0), 1u << lane);
  }
  return reinterpret_cast<std::byte*>(address);
}

}  // namespace luna::test::ptx
