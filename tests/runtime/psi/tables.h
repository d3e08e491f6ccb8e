// What the tests of tables share: weights to build one from, and where to look at it.
#pragma once

#include <rapidcheck.h>

#include <algorithm>
#include <cmath>

#include "runtime/psi/activation.h"
#include "runtime/psi/segment_table.h"

namespace luna::psi {

/// Weights of very different sizes, with zeros and repeats, so that knots coincide, vanish and
/// overflow.
inline rc::Gen<float> weight() {
  return rc::gen::weightedOneOf<float>({
      {6, rc::gen::map(rc::gen::inRange(-3000, 3001),
                       [](int x) { return static_cast<float>(x) / 1000.0f; })},
      {3, rc::gen::element(0.0f, 1.0f, -1.0f, 2.0f, -2.0f)},
      {1, rc::gen::element(1e-30f, -1e-30f, 1e-42f, 1e8f, -1e8f)},
  });
}

/// The numbers of a table.
struct HostTable {
  explicit HostTable(const SegmentTable& table)
      : L(table.L()),
        slope(to_host(table.lines.select(1, 0))),
        intercept(to_host(table.lines.select(1, 1))) {
    for (const double knot : to_host(table.knots)) knots.push_back(static_cast<float>(knot));
  }
  int64_t segments() const { return static_cast<int64_t>(knots.size()) + 1; }

  int64_t L;
  std::vector<float> knots;
  std::vector<double> slope, intercept;  ///< [segments, L]
};

/// Gradients of a table's lines, added to sample by sample.
struct LineSums {
  explicit LineSums(const HostTable& table)
      : lines(at::zeros({table.segments(), 2, table.L}, at::kDouble)) {}
  /// g: of f_l(t).
  void add(int64_t segment, int64_t l, double t, double g) {
    lines[segment][0][l] += g * t;
    lines[segment][1][l] += g;
  }
  at::Tensor lines;
};

inline int64_t segment(const HostTable& table, float t) {
  return std::upper_bound(table.knots.begin(), table.knots.end(), t) - table.knots.begin();
}

inline Line line(const HostTable& table, int64_t s, int64_t l) {
  return {table.slope[s * table.L + l], table.intercept[s * table.L + l]};
}

inline double value(const HostTable& table, float t, int64_t l) {
  const auto [slope, offset] = line(table, segment(table, t), l);
  return slope * t + offset;
}

/// Points where a mistake would show: on and beside every knot, between knots, far out.
inline std::vector<float> probes(const HostTable& table) {
  std::vector<float> points{0.0f, -1.0f, 1.0f, 1e-20f, 1e4f, -1e4f};
  for (const float knot : table.knots) {
    if (!std::isfinite(knot) || std::abs(knot) > 1e30f) continue;
    points.insert(points.end(), {knot, std::nextafter(knot, -INFINITY),
                                 std::nextafter(knot, INFINITY), knot + 0.37f, knot - 0.37f});
  }
  return points;
}

}  // namespace luna::psi
