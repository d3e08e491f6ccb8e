// Activations that are piecewise linear, as their lines.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace luna::psi {

/// y = slope x + offset.
struct Line {
  double slope, offset;
  /// Of an infinite x too: a flat line has no slope to multiply it by.
  double at(double x) const { return (slope == 0.0 ? 0.0 : slope * x) + offset; }
};

/// act(x) = lines[k] of x, k = #{breaks < x}.
struct PiecewiseLinear {
  const char* name;
  std::vector<double> breaks;  ///< ascending
  std::vector<Line> lines;     ///< one more than breaks

  int64_t knots() const { return static_cast<int64_t>(breaks.size()); }
  /// The line of x; on a break the flatter one, whose slope torch takes there.
  const Line& line_of(double x) const;
};

/// relu, leaky_relu and hardtanh as torch defines them; nullptr for any other name.
const PiecewiseLinear* piecewise_linear(const std::string& activation);

}  // namespace luna::psi
