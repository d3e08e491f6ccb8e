// What PTX does to floats on the way in and out of an instruction.
#pragma once

#include <cmath>
#include <cstring>

#include "tests/support/ptx/lanes.h"

namespace luna::test::ptx {

template <class To, class From>
To bit_cast(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}

/// .ftz: a subnormal is zero of its sign.
inline float flush(float x) {
  const uint32_t bits = bit_cast<uint32_t>(x);
  return bit_cast<float>(bits & 0x7f800000 ? bits : bits & 0x80000000);
}

/// Every NaN that 32-bit arithmetic generates is the canonical one.
inline float canonical(float x) { return x != x ? bit_cast<float>(0x7fffffffu) : x; }

/// .sat: clamped to [0, 1], NaN to 0.
template <class T>
T saturate(T x) {
  return x > 0 ? (x < 1 ? x : T(1)) : T(0);
}

}  // namespace luna::test::ptx
