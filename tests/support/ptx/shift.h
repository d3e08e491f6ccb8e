// Shifts, also as parts of bit fields.
#pragma once

#include <cstdint>
#include <type_traits>

namespace luna::test::ptx {

/// Amounts beyond the width shift everything out.
struct ShiftLeft {
  template <class T>
  T operator()(T a, uint32_t amount) const {
    return amount < 8 * sizeof(T) ? static_cast<T>(a << amount) : T(0);
  }
};
struct ShiftRight {
  template <class T>
  T operator()(T a, uint32_t amount) const {
    const uint32_t last = 8 * sizeof(T) - 1;
    if (!std::is_signed_v<T> && amount > last) return 0;
    return static_cast<T>(a >> (amount < last ? amount : last));
  }
};

}  // namespace luna::test::ptx
