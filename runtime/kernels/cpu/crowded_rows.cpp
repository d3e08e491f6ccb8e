#include "runtime/kernels/cpu/crowded_rows.h"

#include <algorithm>

#include "generators/common/tiles.h"
#include "runtime/kernels/cpu/segment_strip.h"

namespace luna::kernels {
namespace {

/// Tokens of a sample, and how many of them make a row crowded.
constexpr int64_t kSample = 64, kCrowd = 16;

/// total += sums, sums = 0.
void move_row(float* sums, double* total, int64_t count) {
  for (int64_t k = 0; k < count; k++) {
    total[k] += sums[k];
    sums[k] = 0.0f;
  }
}

}  // namespace

CrowdedRows::CrowdedRows(int64_t projections, int64_t rows, int64_t width)
    : rows_(rows), width_(width), of_(projections), count_(rows) {}

void CrowdedRows::clear() {
  for (auto& rows : of_) rows.clear();
}

void CrowdedRows::find(const int32_t* row, int64_t tokens) {
  if (tokens <= kTokens) return;
  const int64_t step = tokens / kSample;
  for (size_t i = 0; i < of_.size(); i++, row += tiles::kStripPitch) {
    std::fill(count_.begin(), count_.end(), 0);
    for (int64_t k = 0; k < kSample; k++) {
      const int32_t at = row[k * step];
      if (++count_[at] == kCrowd) add(static_cast<int64_t>(i), at);
    }
  }
}

void CrowdedRows::add(int64_t projection, int64_t row) {
  auto& rows = of_[projection];
  if (row == rows_ - 1) return;  // what is not read
  if (std::any_of(rows.begin(), rows.end(), [&](const Row& r) { return r.row == row; })) return;
  rows.push_back({row, std::vector<double>(2 * (width_ + 1))});
}

void CrowdedRows::move(int64_t projection, const SegmentTable& sums) {
  for (Row& row : of_[projection]) {
    move_row(sums.row(projection, row.row), row.total.data(), 2 * width_);
    move_row(sums.normaliser_of(projection, row.row), row.total.data() + 2 * width_, 2);
  }
}

void CrowdedRows::restore(const SegmentTable& sums) const {
  for (size_t i = 0; i < of_.size(); i++) {
    for (const Row& row : of_[i]) {
      const auto projection = static_cast<int64_t>(i);
      const auto normaliser = row.total.end() - 2;
      std::copy(row.total.begin(), normaliser, sums.row(projection, row.row));
      std::copy(normaliser, row.total.end(), sums.normaliser_of(projection, row.row));
    }
  }
}

}  // namespace luna::kernels
