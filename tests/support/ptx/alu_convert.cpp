// cvt: between integers, floats, and both. Half-precision formats convert to and from f32 alone, of
// which two make a pair.
#include <immintrin.h>

#include <limits>

#include "tests/support/ptx/alu.h"
#include "tests/support/ptx/flush.h"

namespace luna::test::ptx {
namespace {

struct Nearest {
  template <class T>
  T operator()(T x) const {
    return std::nearbyint(x);
  }
};
struct TowardsZero {
  template <class T>
  T operator()(T x) const {
    return std::trunc(x);
  }
};
struct Down {
  template <class T>
  T operator()(T x) const {
    return std::floor(x);
  }
};
struct Up {
  template <class T>
  T operator()(T x) const {
    return std::ceil(x);
  }
};

template <class D, bool kSaturate>
struct IntegerToInteger {
  template <class S>
  D operator()(S x) const {
    if (kSaturate) {
      using Limits = std::numeric_limits<D>;
      const __int128 wide = x;  // NOLINT(bugprone-signed-char-misuse): the sign is meant
      if (wide < static_cast<__int128>(Limits::min())) return Limits::min();
      if (wide > static_cast<__int128>(Limits::max())) return Limits::max();
    }
    return static_cast<D>(x);
  }
};
template <class D, bool kSaturate>
struct IntegerToFloat {
  template <class S>
  D operator()(S x) const {
    const D result = static_cast<D>(x);
    return kSaturate ? saturate(result) : result;
  }
};
/// Values beyond the integers become the nearest of them. NaN becomes 0, or the top bit alone where
/// a side has 64 bits.
template <class D, class Round, bool kFlush>
struct FloatToInteger {
  template <class S>
  D operator()(S x) const {
    using Limits = std::numeric_limits<D>;
    constexpr bool kTopBit = sizeof(S) == 8 || sizeof(D) == 8;
    constexpr D kNan =
        kTopBit ? static_cast<D>(std::make_unsigned_t<D>(1) << (8 * sizeof(D) - 1)) : D(0);
    if constexpr (kFlush && sizeof(S) == 4) x = flush(x);
    const S rounded = Round{}(x);
    constexpr S kEnd = static_cast<S>(uint64_t(1) << (8 * sizeof(D) - std::is_signed_v<D> - 1)) * 2;
    if (x != x) return kNan;
    if (rounded >= kEnd) return Limits::max();
    if (rounded < static_cast<S>(Limits::min())) return Limits::min();
    return static_cast<D>(rounded);
  }
};
template <class D, class Round, bool kFlush, bool kSaturate>
struct FloatToFloat {
  template <class S>
  D operator()(S x) const {
    if constexpr (kFlush && sizeof(S) == 4) x = flush(x);
    D result = static_cast<D>(Round{}(x));
    if constexpr (sizeof(D) == 4) result = canonical(kFlush ? flush(result) : result);
    return kSaturate ? saturate(result) : result;
  }
};
struct Same {
  template <class T>
  T operator()(T x) const {
    return x;
  }
};

struct HalfToFloat {
  float operator()(uint16_t x) const { return canonical(_cvtsh_ss(x)); }
};
struct FloatToHalf {
  uint16_t operator()(float x) const {
    return x != x ? 0x7fff : _cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT);
  }
};
struct BrainToFloat {
  float operator()(uint16_t x) const { return bit_cast<float>(uint32_t(x) << 16); }
};
struct FloatToBrain {
  uint16_t operator()(float x) const {
    const uint32_t bits = bit_cast<uint32_t>(x);
    return x != x ? 0x7fff : static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
  }
};

/// Two floats, the first to the upper half.
template <class Narrow>
struct FloatsToPair {
  uint32_t operator()(float high, float low) const {
    return uint32_t(Narrow{}(high)) << 16 | Narrow{}(low);
  }
};

template <class Find>
Alu for_integer(std::optional<Type> type, Find find) {
  return for_type<uint8_t, int8_t, uint16_t, int16_t, uint32_t, int32_t, uint64_t, int64_t>(type,
                                                                                            find);
}

Alu from_integer(Type to, Type from, bool saturated) {
  const auto to_integer = [&](auto d) {
    return for_integer(from, [&](auto s) {
      using D = decltype(d);
      using S = decltype(s);
      return saturated ? make_alu<IntegerToInteger<D, true>, D, S>(Work::kOther)
                       : make_alu<IntegerToInteger<D, false>, D, S>(Work::kOther);
    });
  };
  const auto to_float = [&](auto d) {
    return for_integer(from, [&](auto s) {
      using D = decltype(d);
      using S = decltype(s);
      return saturated ? make_alu<IntegerToFloat<D, true>, D, S>(Work::kOther)
                       : make_alu<IntegerToFloat<D, false>, D, S>(Work::kOther);
    });
  };
  return is_float(to) ? for_type<float, double>(to, to_float) : for_integer(to, to_integer);
}

template <class Round>
Alu float_to_integer(Type to, Type from, bool flushed) {
  return for_integer(to, [&](auto d) {
    return for_type<float, double>(from, [&](auto s) {
      using D = decltype(d);
      using S = decltype(s);
      return flushed ? make_alu<FloatToInteger<D, Round, true>, D, S>(Work::kOther)
                     : make_alu<FloatToInteger<D, Round, false>, D, S>(Work::kOther);
    });
  });
}

template <class Round>
Alu float_to_float(Type to, Type from, bool flushed, bool saturated) {
  return for_type<float, double>(to, [&](auto d) {
    return for_type<float, double>(from, [&](auto s) {
      using D = decltype(d);
      using S = decltype(s);
      if (flushed) {
        return saturated ? make_alu<FloatToFloat<D, Round, true, true>, D, S>(Work::kOther)
                         : make_alu<FloatToFloat<D, Round, true, false>, D, S>(Work::kOther);
      }
      return saturated ? make_alu<FloatToFloat<D, Round, false, true>, D, S>(Work::kOther)
                       : make_alu<FloatToFloat<D, Round, false, false>, D, S>(Work::kOther);
    });
  });
}

template <class Round>
Alu rounded(Type to, Type from, bool flushed, bool saturated) {
  return is_float(to) ? float_to_float<Round>(to, from, flushed, saturated)
                      : float_to_integer<Round>(to, from, flushed);
}

Alu half(Opcode& opcode, Type to, Type from) {
  if (to == Type::kF32 && from == Type::kF16)
    return make_alu<HalfToFloat, float, uint16_t>(Work::kOther);
  if (to == Type::kF32 && from == Type::kBf16)
    return make_alu<BrainToFloat, float, uint16_t>(Work::kOther);
  if (from != Type::kF32 || !opcode.take("rn")) return {};
  return to == Type::kF16 ? make_alu<FloatToHalf, uint16_t, float>(Work::kOther)
                          : make_alu<FloatToBrain, uint16_t, float>(Work::kOther);
}

template <class Narrow>
Alu pair(Opcode& opcode) {
  const bool known = opcode.take("rn") && opcode.take_type() == Type::kF32;
  return known ? make_alu<FloatsToPair<Narrow>, uint32_t, float, float>(Work::kOther) : Alu{};
}

Alu find_convert(Opcode& opcode) {
  if (opcode.take("bf16x2")) return pair<FloatToBrain>(opcode);
  if (opcode.take("f16x2")) return pair<FloatToHalf>(opcode);
  const std::optional<Type> to = opcode.take_type();
  const std::optional<Type> from = opcode.take_type();
  if (!to || !from) return {};
  const auto is_half = [](Type type) { return is_float(type) && bytes_of(type) == 2; };
  if (is_half(*to) || is_half(*from)) return half(opcode, *to, *from);
  const bool saturated = opcode.take("sat");
  if (!is_float(*from)) {
    opcode.take("rn");
    return from_integer(*to, *from, saturated);
  }
  const bool flushed = opcode.take("ftz");
  const std::string round = opcode.take_one_of({"rni", "rzi", "rmi", "rpi"});
  if (round == "rni") return rounded<Nearest>(*to, *from, flushed, saturated);
  if (round == "rzi") return rounded<TowardsZero>(*to, *from, flushed, saturated);
  if (round == "rmi") return rounded<Down>(*to, *from, flushed, saturated);
  if (round == "rpi") return rounded<Up>(*to, *from, flushed, saturated);
  opcode.take("rn");
  return is_float(*to) ? float_to_float<Same>(*to, *from, flushed, saturated) : Alu{};
}

}  // namespace

const Finders& convert_finders() {
  static const Finders finders{{"cvt", &find_convert}};
  return finders;
}

}  // namespace luna::test::ptx
