// Comparisons, and what setp and set make of their result.
#include "tests/support/ptx/alu.h"
#include "tests/support/ptx/flush.h"

namespace luna::test::ptx {
namespace {

struct Equal {
  template <class T>
  bool operator()(T a, T b) const {
    return a == b;
  }
};
struct NotEqual {
  template <class T>
  bool operator()(T a, T b) const {
    return a < b || a > b;
  }
};
struct Less {
  template <class T>
  bool operator()(T a, T b) const {
    return a < b;
  }
};
struct LessEqual {
  template <class T>
  bool operator()(T a, T b) const {
    return a <= b;
  }
};
struct Greater {
  template <class T>
  bool operator()(T a, T b) const {
    return a > b;
  }
};
struct GreaterEqual {
  template <class T>
  bool operator()(T a, T b) const {
    return a >= b;
  }
};
struct Ordered {
  template <class T>
  bool operator()(T a, T b) const {
    return a == a && b == b;
  }
};
/// Unordered comparisons: the opposite of an ordered one.
template <class Op>
struct Opposite {
  template <class T>
  bool operator()(T a, T b) const {
    return !Op{}(a, b);
  }
};

template <class Op>
struct Compare {
  template <class T>
  Predicate operator()(T a, T b) const {
    return {Op{}(a, b) ? 1u : 0u};
  }
};
template <class Op>
struct FlushedCompare {
  Predicate operator()(float a, float b) const { return Compare<Op>{}(flush(a), flush(b)); }
};

template <class Op>
Alu compare_integers(std::optional<Type> type, bool) {
  return for_type<uint16_t, int16_t, uint32_t, int32_t, uint64_t, int64_t>(type, [](auto t) {
    using T = decltype(t);
    return make_alu<Compare<Op>, Predicate, T, T>(Work::kInteger);
  });
}

template <class Op>
Alu compare_floats(std::optional<Type> type, bool flushed) {
  if (flushed) {
    return type == Type::kF32 ? make_alu<FlushedCompare<Op>, Predicate, float, float>(Work::kFloat)
                              : Alu{};
  }
  return for_type<float, double>(type, [](auto t) {
    using T = decltype(t);
    return make_alu<Compare<Op>, Predicate, T, T>(Work::kFloat);
  });
}

struct EqualHalves {
  static bool equal(uint32_t a, uint32_t b) {
    constexpr uint32_t kMagnitude = 0x7fff, kInfinity = 0x7c00;
    const bool nan = (a & kMagnitude) > kInfinity || (b & kMagnitude) > kInfinity;
    return !nan && (a == b || ((a | b) & kMagnitude) == 0);
  }
  uint32_t operator()(uint32_t a, uint32_t b) const {
    constexpr uint32_t kOne = 0x3c00;
    return (equal(a & 0xffff, b & 0xffff) ? kOne : 0) | (equal(a >> 16, b >> 16) ? kOne << 16 : 0);
  }
};

struct Comparison {
  const char* name;
  Alu (*find)(std::optional<Type> type, bool flushed);
};

constexpr Comparison kFloatComparisons[] = {{"eq", &compare_floats<Equal>},
                                            {"ne", &compare_floats<NotEqual>},
                                            {"lt", &compare_floats<Less>},
                                            {"le", &compare_floats<LessEqual>},
                                            {"gt", &compare_floats<Greater>},
                                            {"ge", &compare_floats<GreaterEqual>},
                                            {"equ", &compare_floats<Opposite<NotEqual>>},
                                            {"neu", &compare_floats<Opposite<Equal>>},
                                            {"ltu", &compare_floats<Opposite<GreaterEqual>>},
                                            {"leu", &compare_floats<Opposite<Greater>>},
                                            {"gtu", &compare_floats<Opposite<LessEqual>>},
                                            {"geu", &compare_floats<Opposite<Less>>},
                                            {"num", &compare_floats<Ordered>},
                                            {"nan", &compare_floats<Opposite<Ordered>>}};
constexpr Comparison kIntegerComparisons[] = {
    {"eq", &compare_integers<Equal>},   {"ne", &compare_integers<NotEqual>},
    {"lt", &compare_integers<Less>},    {"le", &compare_integers<LessEqual>},
    {"gt", &compare_integers<Greater>}, {"ge", &compare_integers<GreaterEqual>},
    {"lo", &compare_integers<Less>},    {"ls", &compare_integers<LessEqual>},
    {"hi", &compare_integers<Greater>}, {"hs", &compare_integers<GreaterEqual>}};

template <size_t kCount>
Alu find_in(const Comparison (&table)[kCount], Opcode& opcode, Type type) {
  const bool flushed = opcode.take("ftz");
  for (const Comparison& comparison : table) {
    if (opcode.take(comparison.name)) return comparison.find(type, flushed);
  }
  return {};
}

uint32_t combine(Mode mode, uint32_t a, uint32_t c) {
  switch (mode) {
    case Mode::kAnd:
      return a & c;
    case Mode::kOr:
      return a | c;
    case Mode::kXor:
      return a ^ c;
    default:
      return a;
  }
}

}  // namespace

Alu find_comparison(Opcode& opcode) {
  const std::optional<Type> type = opcode.take_type();
  if (!type) return {};
  return is_float(*type) ? find_in(kFloatComparisons, opcode, *type)
                         : find_in(kIntegerComparisons, opcode, *type);
}

Alu find_pair_comparison(Opcode& opcode) {
  const bool known = opcode.take("f16x2") && opcode.take("f16x2") && opcode.take("eq");
  return known ? make_alu<EqualHalves, uint32_t, uint32_t, uint32_t>(Work::kFloat) : Alu{};
}

void run_combined(std::byte* file, const Instruction& in, uint32_t mask) {
  uint32_t c[kLanes];
  std::memcpy(c, file + in.operand[3], sizeof(c));
  in.inner(file, in, mask);
  for_lanes(mask, [&](int lane) {
    const uint32_t compared = read<uint32_t>(file + in.operand[0], lane);
    const uint32_t other = c[lane] ^ (in.negated ? 1 : 0);
    write(file + in.operand[4], lane, combine(in.mode, compared ^ 1, other));
    write(file + in.operand[0], lane, combine(in.mode, compared, other));
  });
}

void run_set_integer(std::byte* file, const Instruction& in, uint32_t mask) {
  in.inner(file, in, mask);
  for_lanes(mask, [&](int lane) {
    write(file + in.operand[0], lane, 0 - read<uint32_t>(file + in.operand[0], lane));
  });
}

void run_set_float(std::byte* file, const Instruction& in, uint32_t mask) {
  in.inner(file, in, mask);
  for_lanes(mask, [&](int lane) {
    write(file + in.operand[0], lane, read<uint32_t>(file + in.operand[0], lane) ? 1.0f : 0.0f);
  });
}

}  // namespace luna::test::ptx
