// Where tokens lie on a piecewise-linear psi: the segment of t_in = w_i x_n + b_i and how far into
// it. AVX-512 by hand: the search permutes registers, which Halide cannot express (20 ns for 16
// projections of 32 coordinates against 56 ns by vector compare and population count);
// segment_sites is the form for every machine. No header of torch: compiled for AVX-512 as a whole.
#pragma once

#include <cstdint>

namespace luna::kernels {

struct LocateArgs {
  const float* x;  ///< [tokens, d], row_stride apart
  int64_t d, row_stride, tokens;
  const float* proj;  ///< [d, projections], projections a multiple of 16, 64-byte aligned
  const float* bias;  ///< [projections]
  int64_t projections;
  const float* levels;  ///< search_levels() of the knots
  int level_count;
  const float* base;  ///< [2^level_count], of the segments
  float* t;           ///< [projections, pitch], tokens innermost; pitch a multiple of 16 and
  int32_t* segment;   ///< not below tokens rounded up to 16
  int64_t pitch;
};

/// Most knots: 2^kMaxLocateLevels - 1.
inline constexpr int kMaxLocateLevels = 8;

/// #{knots <= t}, the segment, and t - base[segment]. Beyond `tokens`, up to a multiple of 16,
/// values of the last token.
void locate_avx512(const LocateArgs& args);

}  // namespace luna::kernels
