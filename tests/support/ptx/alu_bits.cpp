// Bits: logic, shifts, and the moves between registers.
#include "tests/support/ptx/alu.h"
#include "tests/support/ptx/shift.h"

namespace luna::test::ptx {
namespace {

struct And {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(a & b);
  }
  Predicate operator()(Predicate a, Predicate b) const { return {a.value & b.value}; }
};
struct Or {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(a | b);
  }
  Predicate operator()(Predicate a, Predicate b) const { return {a.value | b.value}; }
};
struct Xor {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(a ^ b);
  }
  Predicate operator()(Predicate a, Predicate b) const { return {a.value ^ b.value}; }
};
struct Not {
  template <class T>
  T operator()(T a) const {
    return static_cast<T>(~a);
  }
  Predicate operator()(Predicate a) const { return {a.value ^ 1}; }
};
struct Copy {
  template <class T>
  T operator()(T a) const {
    return a;
  }
};
struct Select {
  template <class T>
  T operator()(T a, T b, Predicate p) const {
    return p.value ? a : b;
  }
};
template <class Op, int kArguments>
Alu find_logic(Opcode& opcode) {
  return for_type<Predicate, uint16_t, uint32_t, uint64_t>(opcode.take_type(), [](auto t) {
    using T = decltype(t);
    if constexpr (kArguments == 1)
      return make_alu<Op, T, T>(Work::kInteger);
    else
      return make_alu<Op, T, T, T>(Work::kInteger);
  });
}

/// Of any type, as bits.
template <class Find>
Alu for_bits(Opcode& opcode, Find find) {
  const std::optional<Type> type = opcode.take_type();
  if (!type || bytes_of(*type) == 1) return {};
  if (*type == Type::kPredicate) return find(Predicate{});
  return bytes_of(*type) == 8   ? find(uint64_t{})
         : bytes_of(*type) == 2 ? find(uint16_t{})
                                : find(uint32_t{});
}

Alu find_move(Opcode& opcode) {
  return for_bits(opcode,
                  [](auto t) { return make_alu<Copy, decltype(t), decltype(t)>(Work::kOther); });
}

Alu find_select(Opcode& opcode) {
  return for_bits(opcode, [](auto t) {
    using T = decltype(t);
    if constexpr (std::is_same_v<T, Predicate>)
      return Alu{};
    else
      return make_alu<Select, T, T, T, Predicate>(Work::kOther);
  });
}

template <class Op, class... Types>
Alu find_shift(Opcode& opcode) {
  return for_type<Types...>(opcode.take_type(), [](auto t) {
    using T = decltype(t);
    return make_alu<Op, T, T, uint32_t>(Work::kInteger);
  });
}

}  // namespace

const Finders& bit_finders() {
  static const Finders finders{
      {"and", &find_logic<And, 2>},
      {"or", &find_logic<Or, 2>},
      {"xor", &find_logic<Xor, 2>},
      {"not", &find_logic<Not, 1>},
      {"mov", &find_move},
      {"selp", &find_select},
      {"shl", &find_shift<ShiftLeft, uint16_t, uint32_t, uint64_t>},
      {"shr", &find_shift<ShiftRight, uint16_t, uint32_t, uint64_t, int16_t, int32_t, int64_t>}};
  return finders;
}

}  // namespace luna::test::ptx
