// Access to the lanes of a register, and the loop that applies a function lane by lane.
#pragma once

#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "tests/support/ptx/instruction.h"

namespace luna::test::ptx {

/// A predicate register: 0 or 1 in four bytes.
struct Predicate {
  uint32_t value;
};

template <class T>
inline constexpr size_t kSlot = sizeof(T) == 8 ? 8 : 4;

template <class T>
T read(const std::byte* lanes, int lane) {
  T value;
  std::memcpy(&value, lanes + lane * kSlot<T>, sizeof(T));
  return value;
}

/// Values below four bytes fill their slot: signed ones with their sign.
template <class T>
void write(std::byte* lanes, int lane, T value) {
  if constexpr (sizeof(T) < 4) {
    const uint32_t filled = static_cast<uint32_t>(value);  // NOLINT(bugprone-signed-char-misuse)
    std::memcpy(lanes + lane * 4, &filled, 4);
  } else {
    std::memcpy(lanes + lane * kSlot<T>, &value, sizeof(T));
  }
}

template <class Body>
void for_lanes(uint32_t mask, Body&& body) {
  if (mask == kAllLanes) {
#pragma GCC ivdep
    for (int lane = 0; lane < kLanes; lane++) body(lane);
  } else {
    for (; mask; mask &= mask - 1) body(__builtin_ctz(mask));
  }
}

template <class Op, class D, class... A, size_t... I>
void apply(std::byte* file, const Instruction& in, uint32_t mask, std::index_sequence<I...>) {
  std::byte* const d = file + in.operand[0];
  const std::byte* const a[] = {file + in.operand[1 + I]...};
  for_lanes(mask, [&](int lane) { write<D>(d, lane, Op{}(read<A>(a[I], lane)...)); });
}

/// The handler of d = Op(a...).
template <class Op, class D, class... A>
void map_lanes(std::byte* file, const Instruction& in, uint32_t mask) {
  apply<Op, D, A...>(file, in, mask, std::index_sequence_for<A...>{});
}

/// What one operand of an arithmetic instruction must be.
enum class Slot : uint8_t { kPredicate, k32, k64 };

/// An arithmetic instruction: its handler and its operands, the destination first.
struct Alu {
  Handler run = nullptr;
  std::vector<Slot> operands;
  Work work = Work::kOther;
};

template <class T>
constexpr Slot slot_of() {
  if (std::is_same_v<T, Predicate>) return Slot::kPredicate;
  return sizeof(T) == 8 ? Slot::k64 : Slot::k32;
}

template <class Op, class D, class... A>
Alu make_alu(Work work) {
  return {&map_lanes<Op, D, A...>, {slot_of<D>(), slot_of<A>()...}, work};
}

}  // namespace luna::test::ptx
