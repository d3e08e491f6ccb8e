// The pipelines of segment form (generators/attention/segments) on one strip of tokens of one
// (b, h), with the memory that they share.
#pragma once

#include <string>

#include "runtime/kernels/cpu/crowded_rows.h"
#include "runtime/kernels/cpu/segment_map.h"
#include "runtime/kernels/cpu/tile_call.h"
#include "runtime/kernels/kernels.h"

namespace luna::kernels {

/// Rows of one strip: [tokens, width], the last stride 1.
struct StripRows {
  float* data;
  int64_t width, row;
};

/// A value of every token of the strip; stride 0: one value for all.
struct StripScalars {
  float* data;
  int64_t stride;
};

/// What tokens are summed or multiplied with: [scale rows, last].
struct Columns {
  StripRows rows;
  StripScalars scale, last;
};

/// Sums or rows over (projection, segment): rows (e, c, segment, i) and their normaliser's column.
/// One row more than segments: what falls there is not read.
class SegmentTable {
 public:
  /// In memory of its own, 0 where fill_table() does not write.
  SegmentTable(const SegmentMap& map, int64_t dv);
  /// In memory [floats(map, dv)], aligned to a vector, that it shares.
  SegmentTable(const SegmentMap& map, int64_t dv, at::Tensor memory);
  static int64_t floats(const SegmentMap& map, int64_t dv);
  void clear() { memory_.zero_(); }

  int64_t width() const { return width_; }  ///< dv padded to whole vectors
  const float* data() const { return data_; }
  const float* normaliser() const { return normaliser_; }
  /// Appends (rows, normaliser) to call: dv columns as tokens have them, or the padded ones.
  void add_to(TileCall& call, bool padded, int64_t segments) const;
  /// The same of every row and padded projection.
  void add_whole_to(TileCall& call, bool padded) const;
  /// The same of every row of some projections, dv columns.
  void add_projections_to(TileCall& call, int64_t first, int64_t count) const;
  int64_t rows() const { return rows_; }
  int64_t projections() const { return m_; }
  /// [2, width] and [2] of a projection's row.
  float* row(int64_t projection, int64_t row) const {
    return data_ + (projection * rows_ + row) * 2 * width_;
  }
  float* normaliser_of(int64_t projection, int64_t row) const {
    return normaliser_ + (projection * rows_ + row) * 2;
  }

 private:
  void add(TileCall& call, int64_t columns, int64_t segments, int64_t first,
           int64_t projections) const;

  /// The last row of every projection, and projections that only pad.
  void clear_padding();

  int64_t m_, rows_, dv_, width_, projections_;
  at::Tensor memory_;
  float *data_, *normaliser_;
};

/// One thread's memory for a strip's sites, and the calls.
class Strip {
 public:
  Strip(const SegmentMap& map, int64_t dv);

  /// The segment of every (token, projection) and t from its base on; what follows refers to these
  /// tokens.
  void locate(const StripRows& x, const StripScalars& weight, int64_t tokens);
  /// sums += (t - base)^c [scale rows, last], crowded rows by way of `crowded`.
  void add_sums(const Columns& columns, const SegmentTable& sums, CrowdedRows& crowded);
  /// den = w . normaliser, out = w . table / rule(den).
  void product(const StripScalars& weight, const SegmentTable& table, const Denominator& rule,
               const StripRows& out, const StripScalars& den);
  /// The gradient at t, kept for back().
  void dot(const Columns& columns, const SegmentTable& table);
  /// v - center, [dv], kept until the next call.
  StripRows centered(const StripRows& v, const float* center);
  /// dx (or null), dproj [m, d] and dbias [m] (or null), the latter two added to.
  void back(const StripRows& x, const StripScalars& weight, const StripRows& dx, float* dproj,
            float* dbias);
  /// The columns of queries (generators/attention/segments/scales.cpp); what they are weighed
  /// with is kept until the next call.
  Columns query_columns(const StripRows& grad, const StripRows& o, const StripScalars& den,
                        const StripScalars& weight, const float* center, const Denominator& rule);

 private:
  void add_sites(TileCall& call) const;
  /// add_sums() of some projections and tokens.
  void add_part(const Columns& columns, const SegmentTable& sums, int64_t first_projection,
                int64_t projections, int64_t first, int64_t tokens) const;
  /// Sites of tokens of weight 0: t = 0 in the row after the last segment.
  void drop_masked(const StripScalars& weight);

  const SegmentMap& map_;
  std::string by_d_, by_dv_;  ///< suffixes of the pipelines' names
  at::Tensor memory_, rows_, centered_;
  float *t_, *dt_, *scale_, *last_;
  int32_t* row_;
  int64_t tokens_ = 0;
};

/// table = coefficients . [S, z]: S [m L, width] (padded like the table's rows), z [m L].
void fill_table(const SegmentMap& map, const float* S, const float* z, SegmentTable& table);
/// S, z = coefficients . sums.
void state_of(const SegmentMap& map, const SegmentTable& sums, float* S, float* z);
/// gradient [L, segments, 2] of the coefficients = sums . [S, z].
void table_gradient(const SegmentMap& map, const float* S, const float* z, const SegmentTable& sums,
                    float* gradient);

}  // namespace luna::kernels
