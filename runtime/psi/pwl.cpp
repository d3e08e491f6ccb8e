// Table of segments and its gradient, both by sums that only ever add: a unit with w1 > 0 enters at
// its knot (sweep from the left), one with w1 < 0 leaves there (sweep from the right). Subtracting
// a unit again would leave its rounding error behind, which ruins small units beside huge ones. O(K
// L), no search over hid.
#include "runtime/psi/pwl.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace luna::psi {
namespace {

/// The smallest float32 >= value.
float round_up(double value) {
  const float rounded = static_cast<float>(value);
  return rounded < value ? std::nextafter(rounded, std::numeric_limits<float>::infinity())
                         : rounded;
}

}  // namespace

Pwl::Pwl(Weights weights) : Psi(std::move(weights)) {
  sort_knots();
  slope_.assign(segments() * weights_.L, 0.0);
  intercept_.assign(segments() * weights_.L, 0.0);
  sum_rows();
  add_constant_units();
}

void Pwl::sort_knots() {
  std::vector<std::pair<float, int64_t>> found;
  found.reserve(weights_.units);
  for (int64_t u = 0; u < weights_.units; ++u) {
    const double w1 = weights_.w1[u], b1 = weights_.b1[u];
    const double knot = -b1 / w1;
    if (w1 != 0.0 && !std::isnan(knot)) {
      found.emplace_back(round_up(knot), u);
    } else if (b1 > 0.0) {
      constant_.push_back(u);
    }
  }
  std::sort(found.begin(), found.end());
  for (const auto& [knot, unit] : found) {
    knots_.push_back(knot);
    order_.push_back(unit);
  }
}

void Pwl::sum_rows() {
  const int64_t L = weights_.L, K = segments() - 1;
  const auto enter = [&](int64_t segment, const std::vector<double>& a,
                         const std::vector<double>& c) {
    for (int64_t l = 0; l < L; ++l) {
      slope_[segment * L + l] += a[l];
      intercept_[segment * L + l] += c[l];
    }
  };
  const auto add = [&](int64_t u, std::vector<double>& a, std::vector<double>& c) {
    for (int64_t l = weights_.first_channel(u); l < weights_.last_channel(u); ++l) {
      const double w2 = weights_.w2[weights_.w2_index(l, u)];
      a[l] += w2 * weights_.w1[u];
      c[l] += w2 * weights_.b1[u];
    }
  };
  std::vector<double> a(L), c(L);
  for (int64_t s = 1; s <= K; ++s) {  // segment s begins at knot s - 1
    if (weights_.w1[order_[s - 1]] > 0.0) add(order_[s - 1], a, c);
    enter(s, a, c);
  }
  std::fill(a.begin(), a.end(), 0.0);
  std::fill(c.begin(), c.end(), 0.0);
  for (int64_t s = K - 1; s >= 0; --s) {  // segment s ends at knot s
    if (weights_.w1[order_[s]] < 0.0) add(order_[s], a, c);
    enter(s, a, c);
  }
}

void Pwl::add_constant_units() {
  const int64_t L = weights_.L;
  std::vector<double> constant = weights_.b2;
  for (int64_t u : constant_) {
    for (int64_t l = weights_.first_channel(u); l < weights_.last_channel(u); ++l) {
      constant[l] += weights_.w2[weights_.w2_index(l, u)] * weights_.b1[u];
    }
  }
  // 0 x is NaN for a parameter that is not finite: it spoils every segment of its channels, as
  // eager's would.
  for (int64_t u = 0; u < weights_.units; ++u) {
    for (int64_t l = weights_.first_channel(u); l < weights_.last_channel(u); ++l) {
      const double w2 = weights_.w2[weights_.w2_index(l, u)];
      constant[l] += 0.0 * (w2 + weights_.w1[u] + weights_.b1[u]);
    }
  }
  for (int64_t s = 0; s < segments(); ++s) {
    for (int64_t l = 0; l < L; ++l) intercept_[s * L + l] += constant[l];
  }
}

void Pwl::fold(const Fold& fold, const at::Tensor& like, kernels::MapArgs& args) const {
  const int64_t L = weights_.L;
  at::Tensor knots = at::empty({static_cast<int64_t>(knots_.size())}, at::kFloat);
  std::copy(knots_.begin(), knots_.end(), knots.mutable_data_ptr<float>());
  at::Tensor table = at::empty({segments(), 2, L}, at::kDouble);
  double* row = table.mutable_data_ptr<double>();
  for (int64_t s = 0; s < segments(); ++s, row += 2 * L) {
    for (int64_t l = 0; l < L; ++l) {
      row[l] = fold.scale[l] * slope(s, l);
      row[L + l] = fold.scale[l] * intercept(s, l) + fold.shift;
    }
  }
  args.map = "pwl";
  args.L = L;
  args.floor = fold.floor;
  args.knots = knots.to(like.device());
  args.table = table.to(like.device());
}

void Pwl::add_unit(int64_t u, const double* sum0, const double* sum1, Gradient& sum) const {
  for (int64_t l = weights_.first_channel(u); l < weights_.last_channel(u); ++l) {
    const int64_t index = weights_.w2_index(l, u);
    sum.w2[index] += weights_.w1[u] * sum1[l] + weights_.b1[u] * sum0[l];
    sum.w1[u] += weights_.w2[index] * sum1[l];
    sum.b1[u] += weights_.w2[index] * sum0[l];
  }
}

void Pwl::unfold(const Fold& fold, const kernels::MapGrads& grads, Gradient& sum) const {
  const int64_t L = weights_.L, K = segments() - 1;
  std::vector<std::vector<double>> host = to_host({grads.g0, grads.g1});
  std::vector<double>&g0 = host[0], &g1 = host[1];
  for (int64_t s = 0; s <= K; ++s) {
    for (int64_t l = 0; l < L; ++l) {
      const int64_t i = s * L + l;
      sum.scale[l] += slope_[i] * g1[i] + intercept_[i] * g0[i];
      g0[i] *= fold.scale[l];
      g1[i] *= fold.scale[l];
    }
  }
  std::vector<double> total0(L), total1(L);
  const auto accumulate = [&](int64_t s) {
    for (int64_t l = 0; l < L; ++l) {
      total0[l] += g0[s * L + l];
      total1[l] += g1[s * L + l];
    }
  };
  for (int64_t s = K; s > 0; --s) {  // right of knot s - 1
    accumulate(s);
    const int64_t u = order_[s - 1];
    if (weights_.w1[u] > 0.0) add_unit(u, total0.data(), total1.data(), sum);
  }
  std::fill(total0.begin(), total0.end(), 0.0);
  std::fill(total1.begin(), total1.end(), 0.0);
  for (int64_t s = 0; s < K; ++s) {  // left of knot s
    accumulate(s);
    const int64_t u = order_[s];
    if (weights_.w1[u] < 0.0) add_unit(u, total0.data(), total1.data(), sum);
  }
  accumulate(K);
  for (int64_t u : constant_) add_unit(u, total0.data(), total1.data(), sum);
  for (int64_t l = 0; l < L; ++l) sum.b2[l] += total0[l];
}

}  // namespace luna::psi
