// Integer arithmetic.
#include <algorithm>
#include <limits>

#include "tests/support/ptx/alu.h"

namespace luna::test::ptx {
namespace {

/// The type that holds the product of two T.
template <class T>
using Wide = std::conditional_t<
    sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>,
    std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>,
                       std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>>>;

/// Unsigned and at least as wide as unsigned: arithmetic that wraps.
template <class T>
using Wrapping = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T>
Wrapping<T> wrap(T value) {
  return static_cast<Wrapping<T>>(value);
}

struct Add {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(wrap(a) + wrap(b));
  }
};
struct Subtract {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(wrap(a) - wrap(b));
  }
};
struct MultiplyLow {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(wrap(a) * wrap(b));
  }
  template <class T>
  T operator()(T a, T b, T c) const {
    return static_cast<T>(wrap(a) * wrap(b) + wrap(c));
  }
};
struct MultiplyHigh {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>((Wide<T>(a) * Wide<T>(b)) >> (8 * sizeof(T)));
  }
  template <class T>
  T operator()(T a, T b, T c) const {
    return Add{}((*this)(a, b), c);
  }
};
struct MultiplyWide {
  template <class T>
  Wide<T> operator()(T a, T b) const {
    return Wide<T>(a) * Wide<T>(b);
  }
  template <class T>
  Wide<T> operator()(T a, T b, Wide<T> c) const {
    return Add{}(Wide<T>(a) * Wide<T>(b), c);
  }
};
/// Division by zero gives all ones, and leaves the dividend as the remainder.
struct Divide {
  template <class T>
  T operator()(T a, T b) const {
    if (b == 0) return static_cast<T>(-1);
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return Subtract{}(T(0), a);
    return static_cast<T>(a / b);
  }
};
struct Remainder {
  template <class T>
  T operator()(T a, T b) const {
    if (b == 0) return a;
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return 0;
    return static_cast<T>(a % b);
  }
};
struct Minimum {
  template <class T>
  T operator()(T a, T b) const {
    return std::min(a, b);
  }
};
struct Maximum {
  template <class T>
  T operator()(T a, T b) const {
    return std::max(a, b);
  }
};
struct Negate {
  template <class T>
  T operator()(T a) const {
    return Subtract{}(T(0), a);
  }
};
struct Absolute {
  template <class T>
  T operator()(T a) const {
    return a < 0 ? Negate{}(a) : a;
  }
};

template <class Find>
Alu for_integer(Opcode& opcode, Find find) {
  return for_type<uint16_t, int16_t, uint32_t, int32_t, uint64_t, int64_t>(opcode.take_type(),
                                                                           find);
}

template <class Op>
Alu find_unary(Opcode& opcode) {
  return for_integer(opcode, [](auto t) {
    using T = decltype(t);
    return make_alu<Op, T, T>(Work::kInteger);
  });
}

template <class Op>
Alu find_binary(Opcode& opcode) {
  return for_integer(opcode, [](auto t) {
    using T = decltype(t);
    return make_alu<Op, T, T, T>(Work::kInteger);
  });
}

Alu find_multiply(Opcode& opcode) {
  const std::string part = opcode.take_one_of({"lo", "hi", "wide"});
  return for_integer(opcode, [&](auto t) {
    using T = decltype(t);
    if (part == "lo") return make_alu<MultiplyLow, T, T, T>(Work::kInteger);
    if (part == "hi") return make_alu<MultiplyHigh, T, T, T>(Work::kInteger);
    if constexpr (sizeof(T) < 8) {
      if (part == "wide") return make_alu<MultiplyWide, Wide<T>, T, T>(Work::kInteger);
    }
    return Alu{};
  });
}

Alu find_multiply_add(Opcode& opcode) {
  const std::string part = opcode.take_one_of({"lo", "hi", "wide"});
  return for_integer(opcode, [&](auto t) {
    using T = decltype(t);
    if (part == "lo") return make_alu<MultiplyLow, T, T, T, T>(Work::kInteger);
    if (part == "hi") return make_alu<MultiplyHigh, T, T, T, T>(Work::kInteger);
    if constexpr (sizeof(T) < 8) {
      if (part == "wide") return make_alu<MultiplyWide, Wide<T>, T, T, Wide<T>>(Work::kInteger);
    }
    return Alu{};
  });
}

}  // namespace

const Finders& integer_finders() {
  static const Finders finders{{"add", &find_binary<Add>},     {"sub", &find_binary<Subtract>},
                               {"mul", &find_multiply},        {"mad", &find_multiply_add},
                               {"div", &find_binary<Divide>},  {"rem", &find_binary<Remainder>},
                               {"min", &find_binary<Minimum>}, {"max", &find_binary<Maximum>},
                               {"neg", &find_unary<Negate>},   {"abs", &find_unary<Absolute>}};
  return finders;
}

}  // namespace luna::test::ptx
