#include "runtime/psi/activation.h"

#include <cmath>

#include "runtime/ops/spec.h"

namespace luna::psi {

const Line& PiecewiseLinear::line_of(double x) const {
  size_t k = 0;
  while (k < breaks.size() && breaks[k] < x) ++k;
  const bool on_break = k < breaks.size() && breaks[k] == x;
  const bool right = on_break && std::abs(lines[k + 1].slope) < std::abs(lines[k].slope);
  return lines[right ? k + 1 : k];
}

const PiecewiseLinear* piecewise_linear(const std::string& activation) {
  static const std::vector<PiecewiseLinear> all{
      {"relu", {0.0}, {{0.0, 0.0}, {1.0, 0.0}}},
      {"leaky_relu", {0.0}, {{ops::kLeakySlope, 0.0}, {1.0, 0.0}}},
      {"hardtanh", {-1.0, 1.0}, {{0.0, -1.0}, {1.0, 0.0}, {0.0, 1.0}}},
  };
  for (const PiecewiseLinear& each : all) {
    if (activation == each.name) return &each;
  }
  return nullptr;
}

}  // namespace luna::psi
