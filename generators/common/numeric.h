// Scalar building blocks shared by every map and pass, on every device.
#pragma once

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

/// exp(x) that lets NaN through (the polynomial's range clamp does not).
inline Halide::Expr exp_nan(const Halide::Expr& x) {
  return Halide::select(Halide::is_nan(x), x, Halide::exp(x));
}

/// Smallest multiple of `step` that is not below x.
inline Halide::Expr round_up(const Halide::Expr& x, int step) {
  return ((x + (step - 1)) / step) * step;
}

}  // namespace luna
