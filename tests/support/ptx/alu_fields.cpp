// Bit fields, counts of bits, and permutations of bits and bytes.
#include <algorithm>

#include "tests/support/ptx/alu.h"
#include "tests/support/ptx/shift.h"

namespace luna::test::ptx {
namespace {

struct CountOnes {
  uint32_t operator()(uint64_t a) const { return __builtin_popcountll(a); }
  uint32_t operator()(uint32_t a) const { return __builtin_popcount(a); }
};
struct LeadingZeros {
  uint32_t operator()(uint64_t a) const { return a ? __builtin_clzll(a) : 64; }
  uint32_t operator()(uint32_t a) const { return a ? __builtin_clz(a) : 32; }
};
struct Reverse {
  template <class T>
  T operator()(T a) const {
    T reversed = 0;
    for (size_t bit = 0; bit < 8 * sizeof(T); bit++) {
      reversed |= ((a >> bit) & 1) << (8 * sizeof(T) - 1 - bit);
    }
    return reversed;
  }
};

template <class T>
T low_bits(uint32_t length) {
  return length >= 8 * sizeof(T) ? ~T(0) : (T(1) << length) - 1;
}

/// `length` bits of a from `begin`; the sign bit of signed fields fills the rest.
struct ExtractField {
  template <class T>
  T operator()(T a, uint32_t begin, uint32_t length) const {
    using U = std::make_unsigned_t<T>;
    constexpr uint32_t kBits = 8 * sizeof(T);
    begin &= 0xff;
    length &= 0xff;
    if (length == 0) return 0;
    const U field = ShiftRight{}(static_cast<U>(a), begin) & low_bits<U>(length);
    const uint32_t sign = std::min(begin + length - 1, kBits - 1);
    const bool negative = std::is_signed_v<T> && ((static_cast<U>(a) >> sign) & 1);
    return static_cast<T>(negative ? field | ~low_bits<U>(sign < begin ? 0 : sign - begin + 1)
                                   : field);
  }
};
/// b with `length` bits from `begin` replaced by the low bits of a.
struct InsertField {
  template <class T>
  T operator()(T a, T b, uint32_t begin, uint32_t length) const {
    begin &= 0xff;
    const T field = ShiftLeft{}(low_bits<T>(length & 0xff), begin);
    return (ShiftLeft{}(a, begin) & field) | (b & ~field);
  }
};
/// Byte n of the result is the byte of {b, a} that nibble n of c names; its bit 3 spreads the sign.
struct Permute {
  uint32_t operator()(uint32_t a, uint32_t b, uint32_t c) const {
    const uint64_t bytes = (uint64_t(b) << 32) | a;
    uint32_t result = 0;
    for (int n = 0; n < 4; n++) {
      const uint32_t selector = (c >> (4 * n)) & 15;
      const uint32_t byte = (bytes >> (8 * (selector & 7))) & 0xff;
      const uint32_t spread = byte & 0x80 ? 0xff : 0;
      result |= (selector & 8 ? spread : byte) << (8 * n);
    }
    return result;
  }
};
/// {b, a} shifted: the high word to the left, the low word to the right.
template <bool kLeft, bool kClamp>
struct FunnelShift {
  uint32_t operator()(uint32_t a, uint32_t b, uint32_t c) const {
    const uint32_t amount = kClamp ? std::min(c, 32u) : c & 31;
    const uint64_t both = (uint64_t(b) << 32) | a;
    return static_cast<uint32_t>(kLeft ? (both << amount) >> 32 : both >> amount);
  }
};
/// Bit n of the result is bit (a_n b_n c_n) of the table.
struct LogicTable {
  uint32_t operator()(uint32_t a, uint32_t b, uint32_t c, uint32_t table) const {
    uint32_t result = 0;
    for (int row = 0; row < 8; row++) {
      const uint32_t matching = (row & 4 ? a : ~a) & (row & 2 ? b : ~b) & (row & 1 ? c : ~c);
      result |= (table >> row) & 1 ? matching : 0;
    }
    return result;
  }
};

template <class Op>
Alu find_count(Opcode& opcode) {
  return for_type<uint32_t, uint64_t>(opcode.take_type(), [](auto t) {
    return make_alu<Op, uint32_t, decltype(t)>(Work::kInteger);
  });
}

Alu find_reverse(Opcode& opcode) {
  return for_type<uint32_t, uint64_t>(opcode.take_type(), [](auto t) {
    return make_alu<Reverse, decltype(t), decltype(t)>(Work::kInteger);
  });
}

Alu find_extract(Opcode& opcode) {
  return for_type<uint32_t, int32_t, uint64_t, int64_t>(opcode.take_type(), [](auto t) {
    using T = decltype(t);
    return make_alu<ExtractField, T, T, uint32_t, uint32_t>(Work::kInteger);
  });
}

Alu find_insert(Opcode& opcode) {
  return for_type<uint32_t, uint64_t>(opcode.take_type(), [](auto t) {
    using T = decltype(t);
    return make_alu<InsertField, T, T, T, uint32_t, uint32_t>(Work::kInteger);
  });
}

template <class Op>
Alu three_words(std::optional<Type> type) {
  return for_type<uint32_t>(type, [](auto) {
    return make_alu<Op, uint32_t, uint32_t, uint32_t, uint32_t>(Work::kInteger);
  });
}

Alu find_permute(Opcode& opcode) { return three_words<Permute>(opcode.take_type()); }

Alu find_funnel_shift(Opcode& opcode) {
  const bool left = opcode.take("l");
  if (!left && !opcode.take("r")) return {};
  const bool clamp = opcode.take("clamp");
  if (!clamp && !opcode.take("wrap")) return {};
  const std::optional<Type> type = opcode.take_type();
  if (left) {
    return clamp ? three_words<FunnelShift<true, true>>(type)
                 : three_words<FunnelShift<true, false>>(type);
  }
  return clamp ? three_words<FunnelShift<false, true>>(type)
               : three_words<FunnelShift<false, false>>(type);
}

Alu find_logic_table(Opcode& opcode) {
  return for_type<uint32_t>(opcode.take_type(), [](auto) {
    return make_alu<LogicTable, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t>(Work::kInteger);
  });
}

}  // namespace

const Finders& field_finders() {
  static const Finders finders{{"popc", &find_count<CountOnes>},
                               {"clz", &find_count<LeadingZeros>},
                               {"brev", &find_reverse},
                               {"bfe", &find_extract},
                               {"bfi", &find_insert},
                               {"prmt", &find_permute},
                               {"shf", &find_funnel_shift},
                               {"lop3", &find_logic_table}};
  return finders;
}

}  // namespace luna::test::ptx
