#include "runtime/kernels/cpu/segment_map.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/kernels/cpu/locate.h"
#include "runtime/kernels/cpu/packed_map.h"
#include "runtime/kernels/cpu/processor.h"
#include "runtime/kernels/cpu/search_tree.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// A point of [begin, end), away from finite ends.
double inner_point(double begin, double end) {
  if (std::isinf(begin) && std::isinf(end)) return 0.0;
  if (std::isinf(begin)) return end - std::abs(end) - 1.0;
  if (std::isinf(end)) return begin + std::abs(begin) + 1.0;
  return 0.5 * (begin + end);
}

/// Where a segment's line is anchored: its end nearer to 0, close to the segment's tokens, also
/// where a floor is cut far out. A channel that begins at a cut is exactly 0 there, so that its
/// small values cancel nothing. 0 where that end is no number to subtract.
double base_point(double begin, double end) {
  const double nearer = std::abs(begin) <= std::abs(end) ? begin : end;
  return std::abs(nearer) < kFarthestBase ? nearer : 0.0;
}

/// Tokens per segment from which the segment form is the faster one, of features multiplied by FMAs
/// of 256 bits and of 512 (Emerald Rapids: from 8 on for heads of 32, from 14 on for those of 64).
constexpr int64_t kTokensPerSegment = 4, kTokensPerSegmentWide = 10;

int64_t tokens_per_segment() { return has_wide_fma() ? kTokensPerSegmentWide : kTokensPerSegment; }

/// Most floats of a thread's table (64 MiB).
constexpr int64_t kMostTable = 1 << 24;

}  // namespace

std::shared_ptr<const SegmentMap> SegmentMap::where_it_pays(const MapArgs& args, int64_t tokens,
                                                            int64_t dv) {
  const auto pays = [&](int64_t segments) {
    return tokens >= tokens_per_segment() * segments &&
           segments * args.proj.size(0) * 2 * (dv + 1) <= kMostTable;
  };
  if (args.map != "pwl" || args.proj.size(0) == 0 || args.L == 0 || dv == 0) return nullptr;
  if (!pays(args.knots.numel() + 1)) return nullptr;
  const std::shared_ptr<const SegmentMap> map =
      args.packed ? args.packed->segments(args) : of(args);
  return map && pays(map->segments()) ? map : nullptr;
}

std::shared_ptr<const SegmentMap> SegmentMap::of(const MapArgs& args) {
  const auto can_search = [](int64_t segments) {
    return segments <= tree_knots(tiles::kSegmentLevels);
  };
  if (!can_search(args.knots.numel() + 1)) return nullptr;
  std::shared_ptr<SegmentMap> map(new SegmentMap(args));
  if (!can_search(map->segments())) return nullptr;
  map->pack_segments(args);
  map->plant_search();
  map->pack_projection(args);
  return map;
}

SegmentMap::SegmentMap(const MapArgs& args)
    : m_(args.proj.size(0)),
      L_(args.L),
      d_(args.proj.size(1)),
      projections_(tiles::round_up(m_, tiles::kLanes)),
      table_rows_(args.knots.numel() + 1) {
  cut_segments(args);
}

void SegmentMap::cut_segments(const MapArgs& args) {
  const at::Tensor sorted = args.knots.contiguous(), table = args.table.contiguous();
  const double* row = table.const_data_ptr<double>();
  const double floor = args.floor;
  std::vector<float> cuts;
  for (int64_t s = 0; s < table_rows_; s++, row += 2 * L_) {
    const float* end = sorted.const_data_ptr<float>() + s;
    const float first = s > 0 ? end[-1] : -kInfinity;
    const float last = s + 1 < table_rows_ ? *end : kInfinity;
    cuts.clear();
    for (int64_t l = 0; l < L_; l++) {
      const auto cut = static_cast<float>((floor - row[L_ + l]) / row[l]);
      if (cut > first && cut < last) cuts.push_back(cut);
    }
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    knots_.insert(knots_.end(), cuts.begin(), cuts.end());
    table_row_.resize(table_row_.size() + cuts.size() + 1, s);
    if (s + 1 < table_rows_) knots_.push_back(last);
  }
}

void SegmentMap::pack_segments(const MapArgs& args) {
  const at::Tensor table = args.table.contiguous();
  const auto padded = tiles::round_up(segments() + 1, int64_t{1} << kMaxLocateLevels);
  base_ = at::zeros({padded}, at::kFloat);
  coefficients_ =
      at::zeros({L_, tiles::round_up(segments(), tiles::kTableSegments), 2}, at::kFloat);
  floored_.resize(L_ * segments());
  for (int64_t s = 0; s < segments(); s++) {
    const double begin = s > 0 ? knots_[s - 1] : -kInfinity;
    const double end = s + 1 < segments() ? knots_[s] : kInfinity;
    const double base = base_point(begin, end), inside = inner_point(begin, end);
    base_.data_ptr<float>()[s] = static_cast<float>(base);
    const double* row = table.const_data_ptr<double>() + table_row_[s] * 2 * L_;
    for (int64_t l = 0; l < L_; l++) {
      const double a = row[l], c = row[L_ + l];
      const int64_t at = l * segments() + s;
      // No channel crosses the floor between two cuts; NaN is never floored.
      floored_[at] = a * inside + c <= args.floor;
      float* out = coefficients_.data_ptr<float>() + l * coefficients_.stride(0) + 2 * s;
      out[0] = floored_[at] ? args.floor : static_cast<float>(a * base + c);
      out[1] = floored_[at] ? 0.0f : static_cast<float>(a);
    }
  }
}

void SegmentMap::plant_search() {
  levels_ = SearchLevels(knots_);
  if (levels_.empty()) {
    const auto knots = static_cast<int64_t>(knots_.size());
    search_ = search_tree(at::from_blob(knots_.data(), {knots}, at::kFloat), tiles::kSegmentLevels);
  }
  const auto of_zero = std::upper_bound(knots_.begin(), knots_.end(), 0.0f) - knots_.begin();
  origin_ = base_.const_data_ptr<float>()[of_zero];
}

void SegmentMap::pack_projection(const MapArgs& args) {
  proj_rows_ = at::constant_pad_nd(args.proj, {0, 0, 0, projections_ - m_}).contiguous();
  proj_ = proj_rows_.t().contiguous();
  bias_ = at::constant_pad_nd(args.bias, {0, projections_ - m_}).contiguous();
}

void SegmentMap::unfold(const at::Tensor& gradient, MapGrads& grads) const {
  grads.g0 = at::zeros({table_rows_, L_}, at::kDouble);
  grads.g1 = at::zeros({table_rows_, L_}, at::kDouble);
  const double* from = gradient.const_data_ptr<double>();
  double *g0 = grads.g0.data_ptr<double>(), *g1 = grads.g1.data_ptr<double>();
  const float* base = base_.const_data_ptr<float>();
  for (int64_t l = 0; l < L_; l++) {
    for (int64_t s = 0; s < segments(); s++, from += 2) {
      if (floored_[l * segments() + s]) continue;
      g0[table_row_[s] * L_ + l] += from[0];
      g1[table_row_[s] * L_ + l] += from[1] + base[s] * from[0];  // t = (t - base) + base
    }
  }
}

SegmentSides::SegmentSides(const Problem& p)
    : q(SegmentMap::where_it_pays(p.q_map, p.q.size(2), p.v.size(3))), k(q) {
  if (is_same(p.q_map, p.k_map) && p.q.size(2) == p.k.size(2)) return;
  k = SegmentMap::where_it_pays(p.k_map, p.k.size(2), p.v.size(3));
}

}  // namespace luna::kernels
