// The arithmetic of PTX: one table entry per instruction name, one handler per type.
#pragma once

#include <map>
#include <string>

#include "tests/support/ptx/lanes.h"
#include "tests/support/ptx/opcode.h"

namespace luna::test::ptx {

/// Finds the handler for the types and modifiers of an opcode, taking those that it understands; an
/// empty handler where there is none.
using Finder = Alu (*)(Opcode& opcode);
using Finders = std::map<std::string, Finder>;

const Finders& integer_finders();
const Finders& bit_finders();
const Finders& field_finders();
const Finders& float_finders();
const Finders& special_finders();
const Finders& convert_finders();

/// setp without its further predicate and second destination: p = a cmp b.
Alu find_comparison(Opcode& opcode);

/// set.eq.f16x2.f16x2: of each half 1 in float16 where they are equal, else 0.
Alu find_pair_comparison(Opcode& opcode);

/// Runs `inner` under the rounding of the instruction.
void run_rounded(std::byte* file, const Instruction& in, uint32_t mask);
/// p|q = (inner) mode c: operands p, a, b, c, q.
void run_combined(std::byte* file, const Instruction& in, uint32_t mask);
/// The 0 or 1 of `inner` as 0 or -1, and as 0.0f or 1.0f.
void run_set_integer(std::byte* file, const Instruction& in, uint32_t mask);
void run_set_float(std::byte* file, const Instruction& in, uint32_t mask);
/// mov of {a, b, ...} into one register, and of one register into {a, b, ...}.
void run_pack(std::byte* file, const Instruction& in, uint32_t mask);
void run_unpack(std::byte* file, const Instruction& in, uint32_t mask);

/// The update of an atomic or of a reduction, or nullptr.
Update find_update(const std::string& operation, Type type);

/// Whether a C++ type is a PTX type; bits are unsigned, and mma alone has tf32.
template <class T>
bool matches(Type type) {
  if constexpr (std::is_same_v<T, Predicate>) {
    return type == Type::kPredicate;
  } else {
    return type != Type::kPredicate && type != Type::kTf32 && sizeof(T) == bytes_of(type) &&
           std::is_floating_point_v<T> == is_float(type) &&
           (std::is_floating_point_v<T> || std::is_signed_v<T> == is_signed(type));
  }
}

/// find(T{}) for the T among these that is the type; an empty handler where none is.
template <class... T, class Find>
Alu for_type(std::optional<Type> type, Find find) {
  Alu alu;
  if (type) ((matches<T>(*type) && (alu = find(T{}), true)) || ...);
  return alu;
}

}  // namespace luna::test::ptx
