// The table is the sum of its units' pieces, and a unit's gradient the sum over the segments of its
// pieces: O((units log K + K) L), no search over hid.
#include "runtime/psi/pwl.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "runtime/psi/range_sums.h"

namespace luna::psi {
namespace {

/// Segment that a break begins, of a unit that never reaches it.
constexpr int64_t kNoKnot = -1;

}  // namespace

Weights::Weights(const MlpParams& tensors)
    : L(tensors.L()), hid(tensors.hid()), separate(tensors.separate()), units(tensors.count()) {
  std::vector<std::vector<double>> host = to_host({tensors.w1, tensors.b1, tensors.w2, tensors.b2});
  w1 = std::move(host[0]);
  b1 = std::move(host[1]);
  w2 = std::move(host[2]);
  b2 = std::move(host[3]);
}

Pwl::Pwl(const MlpParams& units, const PiecewiseLinear& activation) : weights_(units) {
  sort_knots(activation);
  add_pieces();
  add_constants();
}

void Pwl::sort_knots(const PiecewiseLinear& activation) {
  const int64_t breaks = activation.knots();
  std::vector<std::tuple<float, int64_t, int64_t>> found;  // knot, unit, break as t passes them
  found.reserve(weights_.units * breaks);
  for (int64_t u = 0; u < weights_.units; ++u) {
    const double w1 = weights_.w1[u], b1 = weights_.b1[u];
    for (int64_t k = 0; k < breaks; ++k) {
      const double knot = (activation.breaks[k] - b1) / w1;
      if (std::isfinite(knot)) found.emplace_back(round_up(knot), u, w1 > 0 ? k : -k);
    }
  }
  std::sort(found.begin(), found.end());
  std::vector<int64_t> begin_of_knot(weights_.units * breaks, kNoKnot);
  const auto knots = static_cast<int64_t>(found.size());
  table_.knots = at::empty({knots}, at::kFloat);
  table_.lines = at::empty({knots + 1, 2, weights_.L}, at::kDouble);
  auto* next = table_.knots.mutable_data_ptr<float>();
  int64_t begun = 0;
  for (const auto& [knot, unit, k] : found) {
    *next++ = knot;
    begin_of_knot[unit * breaks + std::abs(k)] = ++begun;
  }
  cut_into_pieces(activation, begin_of_knot);
}

void Pwl::cut_into_pieces(const PiecewiseLinear& activation,
                          const std::vector<int64_t>& begin_of_knot) {
  const int64_t breaks = activation.knots(), segments = table_.segments();
  const auto add = [&](const Piece& piece) {
    if (piece.line.slope != 0.0 || piece.line.offset != 0.0) pieces_.push_back(piece);
  };
  for (int64_t u = 0; u < weights_.units; ++u) {
    const int64_t* begin = &begin_of_knot[u * breaks];
    if (std::find(begin, begin + breaks, kNoKnot) != begin + breaks) {
      add({u, 0, segments, activation.line_of(weights_.b1[u])});
      continue;
    }
    const bool rises = weights_.w1[u] > 0;  // its argument, with t
    for (int64_t k = 0; k <= breaks; ++k) {
      const int64_t below = k > 0 ? begin[k - 1] : (rises ? 0 : segments);
      const int64_t above = k < breaks ? begin[k] : (rises ? segments : 0);
      add({u, std::min(below, above), std::max(below, above), activation.lines[k]});
    }
  }
}

void Pwl::add_pieces() {
  const int64_t L = weights_.L, segments = table_.segments();
  RangeTree tree(segments, 2 * L);
  for (const Piece& piece : pieces_) {
    const int64_t u = piece.unit;
    const double slope = piece.line.slope * weights_.w1[u];
    const double offset = piece.line.at(weights_.b1[u]);
    tree.over(piece.first, piece.last, [&](double* row) {
      for (int64_t l = weights_.first_channel(u); l < weights_.last_channel(u); ++l) {
        const double w2 = weights_.w2[weights_.w2_index(l, u)];
        row[l] += w2 * slope;
        row[L + l] += w2 * offset;
      }
    });
  }
  tree.push_to_leaves();
  std::copy_n(tree.leaf(0), segments * 2 * L, table_.lines.mutable_data_ptr<double>());
}

void Pwl::add_constants() {
  std::vector<double> constant = weights_.b2;
  // 0 x is NaN for a w1 or w2 that is not finite, and for a b1 that is NaN: it spoils every segment
  // of its channels, also where the MLP's arithmetic would leave a number (ReLU cuts -inf). The
  // unit of an infinite b1 has no knot: one line of the activation, as the MLP has it.
  for (int64_t u = 0; u < weights_.units; ++u) {
    for (int64_t l = weights_.first_channel(u); l < weights_.last_channel(u); ++l) {
      const double w2 = weights_.w2[weights_.w2_index(l, u)];
      const double b1 = std::isnan(weights_.b1[u]) ? weights_.b1[u] : 0.0;
      constant[l] += 0.0 * (w2 + weights_.w1[u] + b1);
    }
  }
  table_.lines.select(1, 1).add_(at::tensor(constant));
}

std::vector<at::Tensor> Pwl::unfold(const at::Tensor& lines) const {
  const int64_t L = weights_.L, segments = table_.segments();
  RangeTree tree(segments, 2 * L);
  std::copy_n(lines.contiguous().const_data_ptr<double>(), segments * 2 * L, tree.leaf(0));
  tree.sum_leaves();
  std::vector<double> w1(weights_.w1.size()), b1(w1.size()), w2(weights_.w2.size());
  std::vector<double> total(2 * L);  // sums of dpsi t, then of dpsi, where the piece is active
  for (const Piece& piece : pieces_) {
    std::fill(total.begin(), total.end(), 0.0);
    tree.over(piece.first, piece.last, [&](const double* row) {
      for (int64_t c = 0; c < 2 * L; ++c) total[c] += row[c];
    });
    const int64_t u = piece.unit;
    const double slope = piece.line.slope, at_zero = piece.line.at(weights_.b1[u]);
    for (int64_t l = weights_.first_channel(u); l < weights_.last_channel(u); ++l) {
      const int64_t index = weights_.w2_index(l, u);
      const double sum0 = total[L + l], sum1 = total[l];
      w2[index] += slope * weights_.w1[u] * sum1 + at_zero * sum0;
      w1[u] += slope * weights_.w2[index] * sum1;
      b1[u] += slope * weights_.w2[index] * sum0;
    }
  }
  const std::vector<int64_t> units = weights_.separate ? std::vector<int64_t>{L, weights_.hid}
                                                       : std::vector<int64_t>{weights_.hid};
  return {at::tensor(w1).view(units), at::tensor(b1).view(units),
          at::tensor(w2).view({L, weights_.hid}), lines.select(1, 1).sum(0)};
}

}  // namespace luna::psi
