// Scalar building blocks shared by every map and pass.
#pragma once

#include <cstdint>

#include "Halide.h"

namespace luna {

/// Largest of y and floor; a NaN in y stays NaN, as in torch (a plain max swallows it).
inline Halide::Expr floor_at(const Halide::Expr& y, const Halide::Expr& floor) {
  return Halide::strict_float(Halide::select(y < floor, floor, y));
}

/// Gradient through floor_at: zero where y is at the floor (relu'(0) = 0), NaN passes.
inline Halide::Expr floor_gradient(const Halide::Expr& y, const Halide::Expr& floor,
                                   const Halide::Expr& gradient) {
  return Halide::strict_float(Halide::select(y <= floor, 0.0f, gradient));
}

/// True unless w is +0 or -0. On the bits, because a NaN weight must keep its token.
inline Halide::Expr is_kept(const Halide::Expr& w) {
  return (Halide::reinterpret<uint32_t>(w) << 1) != Halide::cast<uint32_t>(0);
}

/// select whose condition holds for NaN as IEEE says, and of whose values a NaN stays; strict_float
/// of the whole would forbid the values' fused multiplications too.
inline Halide::Expr select_strictly(const Halide::Expr& condition, const Halide::Expr& yes,
                                    const Halide::Expr& no) {
  return Halide::reinterpret<float>(Halide::select(Halide::strict_float(condition),
                                                   Halide::reinterpret<int>(yes),
                                                   Halide::reinterpret<int>(no)));
}

/// x where all bits of mask are set, 0 where none is. (On AVX2 a select by two conditions, one of
/// them not of floats, takes eight instructions more.)
inline Halide::Expr masked(const Halide::Expr& x, const Halide::Expr& mask) {
  return Halide::reinterpret<float>(Halide::reinterpret<uint32_t>(x) & mask);
}

/// exp(x) that lets NaN through (the polynomial's range clamp does not).
inline Halide::Expr exp_nan(const Halide::Expr& x) {
  return select_strictly(Halide::is_nan(x), x, Halide::exp(x));
}

/// 2^k e^r, |r| <= ln 2 / 2, k whole and where the exponent's bits are, to which it is added. e^r
/// is 1 + r + r^2 p(r) with p of the least relative error. (By pairs of terms: what a vector waits
/// for is latency.)
inline Halide::Expr power_by_bits(const Halide::Expr& k, const Halide::Expr& r) {
  using Halide::reinterpret;
  const Halide::Expr r2 = r * r;
  const Halide::Expr p = (0.49999979f + r * 0.16666617f) +
                         r2 * ((0.041675139f + r * 0.0083570471f) + r2 * 0.0013226914f);
  const Halide::Expr power = (1.0f + r) + r2 * p;
  return reinterpret<float>(reinterpret<uint32_t>(power) + reinterpret<uint32_t>(k));
}

constexpr float kLog2e = 1.44269504f, kLn2 = 0.693147181f;
/// Below it the exponent does not hold k: 0.
constexpr float kLeastExponent = -86.9f;

/// exp(x) for vectors of a CPU with FMA, to 3.2e-7 of itself (Halide::exp: 3.6e-7) in less than
/// half as many instructions: 1 at 0, 0 below -86.9, inf above 88.72; NaN stays. k is rounded by a
/// sum whose last binary place is 1, because Halide's round() splits a vector of 512 bits. At
/// 128 ln 2, rounded, r is 0: these bits are infinity's.
inline Halide::Expr exp_by_bits(const Halide::Expr& x) {
  using Halide::strict_float;
  constexpr float kMost = 128 * kLn2, kPlace = 12582912.0f;  // 1.5 2^23
  // One value, rounded once, for k and for r; the condition is that of an instruction, min.
  const Halide::Expr y = strict_float(Halide::select(x > kMost, kMost, x));
  const Halide::Expr sum = strict_float(y * kLog2e + kPlace);
  const Halide::Expr r = y - strict_float(sum - kPlace) * kLn2;
  return select_strictly(y < kLeastExponent, 0.0f,
                         power_by_bits(Halide::reinterpret<uint32_t>(sum) << 23, r));
}

/// The same of x <= 0 (where x > 0: some number), an eighth faster for elu.
inline Halide::Expr decay_by_bits(const Halide::Expr& x) {
  const Halide::Expr y = Halide::strict_float(x);  // one value for k and for r
  const Halide::Expr k = Halide::cast<int>(y * kLog2e - 0.5f);
  const Halide::Expr r = y - Halide::cast<float>(k) * kLn2;
  return select_strictly(y < kLeastExponent, 0.0f, power_by_bits(k << 23, r));
}

/// Smallest multiple of `step` that is not below x.
inline Halide::Expr round_up(const Halide::Expr& x, int step) {
  return ((x + (step - 1)) / step) * step;
}

}  // namespace luna
