// Rows of a table of sums on which a large share of the tokens falls. float32 sums of like terms
// drift with their number (4096 values of 0.1 in one segment: by 1e-5), so these are moved into
// float64 now and then.
#pragma once

#include <cstdint>
#include <vector>

namespace luna::kernels {

class SegmentTable;

class CrowdedRows {
 public:
  /// Tokens from one move to the next.
  static constexpr int64_t kTokens = 128;

  CrowdedRows(int64_t projections, int64_t rows, int64_t width);
  void clear();
  /// Takes in the rows that a quarter of these tokens and more fall on, judged by a sample. row
  /// (n, i), projections tiles::kStripPitch apart. A row stays crowded until clear().
  void find(const int32_t* row, int64_t tokens);
  bool any_of(int64_t projection) const { return !of_[projection].empty(); }
  /// Moves a projection's crowded sums into float64: they are 0 afterwards.
  void move(int64_t projection, const SegmentTable& sums);
  /// Puts back all that was moved.
  void restore(const SegmentTable& sums) const;

 private:
  struct Row {
    int64_t row;
    std::vector<double> total;  ///< [2 width], then the normaliser's [2]
  };
  void add(int64_t projection, int64_t row);

  int64_t rows_, width_;
  std::vector<std::vector<Row>> of_;  ///< by projection
  std::vector<int> count_;            ///< of a sample's tokens, by row
};

}  // namespace luna::kernels
