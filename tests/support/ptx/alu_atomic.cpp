// The updates of atomics and reductions, and the packing moves.
#include <algorithm>

#include "tests/support/ptx/alu.h"
#include "tests/support/ptx/flush.h"

namespace luna::test::ptx {
namespace {

template <class T>
using Bits = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T>
T value_of(uint64_t bits) {
  return bit_cast<T>(static_cast<Bits<T>>(bits));
}

template <class T, class Op>
uint64_t update(uint64_t old, uint64_t b, uint64_t c) {
  return bit_cast<Bits<T>>(static_cast<T>(Op{}(value_of<T>(old), value_of<T>(b), value_of<T>(c))));
}

struct Add {
  template <class T>
  T operator()(T old, T b, T) const {
    return old + b;
  }
};
struct Minimum {
  template <class T>
  T operator()(T old, T b, T) const {
    return std::min(old, b);
  }
};
struct Maximum {
  template <class T>
  T operator()(T old, T b, T) const {
    return std::max(old, b);
  }
};
struct Increment {
  uint32_t operator()(uint32_t old, uint32_t b, uint32_t) const { return old >= b ? 0 : old + 1; }
};
struct Decrement {
  uint32_t operator()(uint32_t old, uint32_t b, uint32_t) const {
    return old == 0 || old > b ? b : old - 1;
  }
};
struct Exchange {
  template <class T>
  T operator()(T, T b, T) const {
    return b;
  }
};
struct CompareAndSwap {
  template <class T>
  T operator()(T old, T b, T c) const {
    return old == b ? c : old;
  }
};
struct And {
  template <class T>
  T operator()(T old, T b, T) const {
    return old & b;
  }
};
struct Or {
  template <class T>
  T operator()(T old, T b, T) const {
    return old | b;
  }
};
struct Xor {
  template <class T>
  T operator()(T old, T b, T) const {
    return old ^ b;
  }
};

/// By type of 32 and of 64 bits: unsigned, signed, float.
template <class Op>
Update integer(Type type) {
  const bool wide = bytes_of(type) == 8;
  if (is_float(type) || bytes_of(type) < 4) return nullptr;
  if (is_signed(type)) return wide ? &update<int64_t, Op> : &update<int32_t, Op>;
  return wide ? &update<uint64_t, Op> : &update<uint32_t, Op>;
}

/// Signed sums wrap as unsigned ones do.
Update sum(Type type) {
  if (type == Type::kF32) return &update<float, Add>;
  if (type == Type::kF64) return &update<double, Add>;
  if (is_float(type) || bytes_of(type) < 4) return nullptr;
  return bytes_of(type) == 8 ? &update<uint64_t, Add> : &update<uint32_t, Add>;
}

Update counter(Type type, Update found) { return type == Type::kU32 ? found : nullptr; }

/// body(Whole{}, elements) for a packed register and the number of its elements.
template <class Body>
void for_packing(const Instruction& in, Body body) {
  if (in.elements == 4)
    body(uint64_t{}, std::integral_constant<int, 4>{});
  else if (in.bytes == 4)
    body(uint64_t{}, std::integral_constant<int, 2>{});
  else
    body(uint32_t{}, std::integral_constant<int, 2>{});
}

}  // namespace

Update find_update(const std::string& operation, Type type) {
  if (operation == "add") return sum(type);
  if (operation == "min") return integer<Minimum>(type);
  if (operation == "max") return integer<Maximum>(type);
  if (operation == "inc") return counter(type, &update<uint32_t, Increment>);
  if (operation == "dec") return counter(type, &update<uint32_t, Decrement>);
  if (operation == "exch") return integer<Exchange>(type);
  if (operation == "cas") return integer<CompareAndSwap>(type);
  if (operation == "and") return integer<And>(type);
  if (operation == "or") return integer<Or>(type);
  if (operation == "xor") return integer<Xor>(type);
  return nullptr;
}

void run_pack(std::byte* file, const Instruction& in, uint32_t mask) {
  for_packing(in, [&](auto whole, auto elements) {
    using Whole = decltype(whole);
    constexpr int kElements = elements, kBits = 8 * sizeof(Whole) / kElements;
    for_lanes(mask, [&](int lane) {
      Whole packed = 0;
      for (int i = 0; i < kElements; i++) {
        const Whole element = read<uint32_t>(file + in.operand[1 + i], lane);
        packed |= (kBits == 16 ? element & 0xffff : element) << (kBits * i);
      }
      write(file + in.operand[0], lane, packed);
    });
  });
}

void run_unpack(std::byte* file, const Instruction& in, uint32_t mask) {
  for_packing(in, [&](auto whole, auto elements) {
    using Whole = decltype(whole);
    constexpr int kElements = elements, kBits = 8 * sizeof(Whole) / kElements;
    for_lanes(mask, [&](int lane) {
      const Whole packed = read<Whole>(file + in.operand[kElements], lane);
      for (int i = 0; i < kElements; i++) {
        const auto element = static_cast<uint32_t>(packed >> (kBits * i));
        write(file + in.operand[i], lane, kBits == 16 ? element & 0xffff : element);
      }
    });
  });
}

}  // namespace luna::test::ptx
