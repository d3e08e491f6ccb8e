// The error bound every fused operator is held to, relative to eager float32 on the same inputs:
// error <= max(3 x eager's error, floor), both errors against the float64 reference.
// Two norms, both bounded: |a - b|_2 / scale_2 and max|a - b| / scale_max, where scale is the size
// of b or, where larger, of the gradient with the denominator held constant: a gradient is that one
// minus the denominator's, and where the two cancel (one key: they cancel but for eps) no float32
// arithmetic keeps more digits than they have.
#pragma once

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/inputs.h"

namespace luna::test {

inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

inline constexpr double kEagerFactor = 3.0;
inline constexpr double kFloorTensors = 3e-6;  ///< out, dq, dk, dv
inline constexpr double kFloorParams = 3e-4;   ///< gradients of parameters

struct Error {
  double rms, max;
};
/// scale: the tensor whose size errors are relative to where it is larger than expected (undefined:
/// expected). Infinite where shapes differ or exactly one of the two is not finite.
Error error(const at::Tensor& given, const at::Tensor& expected, const at::Tensor& scale = {});

/// The three runs of one case.
struct Runs {
  Result fused, eager, exact;
  Result scale;  ///< float64, denominator held constant
};
Runs run_all(const ops::Inputs& inputs, const ops::Spec& spec, const at::Tensor& grad);

/// Runs the fused operator, eager float32 and the float64 reference on a case and compares every
/// tensor. Failures name the case and the tensor; the worst ratios to the bound are kept for
/// print_worst_at_end().
void expect_within_bounds(const Case& c);

/// The same for results at hand; what: the case's description.
void expect_within_bounds(const Runs& runs, const std::string& what);

/// Has the program print one line per tensor at its end: the case that came closest to (or went
/// beyond) its bound. For a static initialiser.
bool print_worst_at_end();

/// Equal bit for bit, NaN included.
::testing::AssertionResult same_bits(const at::Tensor& a, const at::Tensor& b);

}  // namespace luna::test
