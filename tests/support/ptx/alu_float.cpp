// Floating-point arithmetic, correctly rounded; float comparisons are in alu_compare.cpp.
#include <cfenv>

#include "tests/support/ptx/alu.h"
#include "tests/support/ptx/flush.h"

namespace luna::test::ptx {
namespace {

struct Add {
  template <class T>
  T operator()(T a, T b) const {
    return a + b;
  }
};
struct Subtract {
  template <class T>
  T operator()(T a, T b) const {
    return a - b;
  }
};
struct Multiply {
  template <class T>
  T operator()(T a, T b) const {
    return a * b;
  }
};
struct MultiplyAdd {
  template <class T>
  T operator()(T a, T b, T c) const {
    return std::fma(a, b, c);
  }
};
struct Divide {
  template <class T>
  T operator()(T a, T b) const {
    return a / b;
  }
};
struct Reciprocal {
  template <class T>
  T operator()(T a) const {
    return 1 / a;
  }
};
struct SquareRoot {
  template <class T>
  T operator()(T a) const {
    return std::sqrt(a);
  }
};
/// The other operand where one is NaN, unless kNan; -0 is below +0.
template <bool kLower, bool kNan>
struct Extreme {
  template <class T>
  T operator()(T a, T b) const {
    const bool first = a == b ? std::signbit(a) == kLower : (kLower ? a < b : a > b);
    const T ordered = first ? a : b;
    const T with_nan = kNan ? a + b : (a != a ? b : a);
    return a != a || b != b ? with_nan : ordered;
  }
};
template <class T>
using Bits = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
template <class T>
constexpr Bits<T> kSign = Bits<T>(1) << (8 * sizeof(T) - 1);

/// b with the sign of a.
struct CopySign {
  template <class T>
  T operator()(T a, T b) const {
    return bit_cast<T>((bit_cast<Bits<T>>(a) & kSign<T>) | (bit_cast<Bits<T>>(b) & ~kSign<T>));
  }
};
struct Negate {
  template <class T>
  T operator()(T a) const {
    return bit_cast<T>(bit_cast<Bits<T>>(a) ^ kSign<T>);
  }
};
struct Absolute {
  template <class T>
  T operator()(T a) const {
    return bit_cast<T>(bit_cast<Bits<T>>(a) & ~kSign<T>);
  }
};

/// Op between the flushes, saturation and canonical NaN of 32-bit floats.
template <class Op, bool kFlush, bool kSaturate>
struct Single {
  template <class... A>
  float operator()(A... a) const {
    float result = kFlush ? Op{}(flush(a)...) : Op{}(a...);
    if (kFlush) result = flush(result);
    return kSaturate ? saturate(result) : canonical(result);
  }
};

/// Op on two types of float. Takes .ftz and .sat.
template <class Op, class... Copies>
Alu find_operation(Opcode& opcode, Work work) {
  const std::optional<Type> type = opcode.take_type();
  if (type == Type::kF64) return make_alu<Op, double, decltype(Copies{}, double{})...>(work);
  if (type != Type::kF32) return {};
  const bool saturated = opcode.take("sat");
  if (opcode.take("ftz")) {
    return saturated ? make_alu<Single<Op, true, true>, float, Copies...>(work)
                     : make_alu<Single<Op, true, false>, float, Copies...>(work);
  }
  return saturated ? make_alu<Single<Op, false, true>, float, Copies...>(work)
                   : make_alu<Single<Op, false, false>, float, Copies...>(work);
}

/// .rn is the rounding without a modifier; the others are left for the decoder's wrapper.
template <class Op, class... Copies>
Alu find_rounded(Opcode& opcode) {
  opcode.take("rn");
  return find_operation<Op, Copies...>(opcode, Work::kFloat);
}

Alu find_multiply_add(Opcode& opcode) {
  opcode.take("rn");
  return find_operation<MultiplyAdd, float, float, float>(opcode, Work::kFma);
}

/// For the forms that are correctly rounded alone: the approximate ones are in alu_special.cpp.
template <class Op, class... Copies>
Alu find_exact(Opcode& opcode) {
  const bool nearest = opcode.take("rn");
  return nearest ? find_operation<Op, Copies...>(opcode, Work::kFloat) : Alu{};
}

template <bool kLower>
Alu find_extreme(Opcode& opcode) {
  return opcode.take("NaN")
             ? find_operation<Extreme<kLower, true>, float, float>(opcode, Work::kFloat)
             : find_operation<Extreme<kLower, false>, float, float>(opcode, Work::kFloat);
}

template <class Op, class... Copies>
Alu find_sign(Opcode& opcode) {
  const bool flushed = opcode.take("ftz");
  const std::optional<Type> type = opcode.take_type();
  if (flushed && type == Type::kF32) {
    return make_alu<Single<Op, true, false>, float, Copies...>(Work::kFloat);
  }
  return for_type<float, double>(type, [](auto t) {
    using T = decltype(t);
    return make_alu<Op, T, decltype(Copies{}, T{})...>(Work::kFloat);
  });
}

}  // namespace

const Finders& float_finders() {
  static const Finders finders{{"add", &find_rounded<Add, float, float>},
                               {"sub", &find_rounded<Subtract, float, float>},
                               {"mul", &find_rounded<Multiply, float, float>},
                               {"fma", &find_multiply_add},
                               {"mad", &find_multiply_add},
                               {"div", &find_exact<Divide, float, float>},
                               {"rcp", &find_exact<Reciprocal, float>},
                               {"sqrt", &find_exact<SquareRoot, float>},
                               {"min", &find_extreme<true>},
                               {"max", &find_extreme<false>},
                               {"neg", &find_sign<Negate, float>},
                               {"abs", &find_sign<Absolute, float>},
                               {"copysign", &find_sign<CopySign, float, float>}};
  return finders;
}

void run_rounded(std::byte* file, const Instruction& in, uint32_t mask) {
  std::fesetround(in.rounding);
  in.inner(file, in, mask);
  std::fesetround(FE_TONEAREST);
}

}  // namespace luna::test::ptx
