// Where tokens lie on a piecewise-linear psi: the segment of t_in = w_i x_n + b_i and how far into
// it. By hand: the search permutes registers, which Halide cannot express (AVX-512: 20 ns for 16
// projections of 32 coordinates against 56 ns by vector compare and population count);
// segment_sites is the form for any number of knots. No header of torch: compiled once for AVX2 and
// once for AVX-512, and chosen at run time.
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
  const float* base;  ///< [2^level_count], of the segments; nullptr: 0
  float origin;       ///< base of the segment of 0
  float* t;           ///< [projections, pitch], tokens innermost; pitch a multiple of 16 and
  int32_t* segment;   ///< not below tokens rounded up to 16
  int64_t pitch;
};

/// Most knots: 2^kMaxLocateLevels - 1.
inline constexpr int kMaxLocateLevels = 8;

/// Segments' bases, which are one of their ends, are 0 from there on.
inline constexpr float kFarthestBase = 1e18f;

/// #{knots <= t}, the segment, and t - base[segment]. Beyond `tokens`, up to a multiple of
/// kTokenBlock, values of the last token.
void locate(const LocateArgs& args);
void locate_avx2(const LocateArgs& args);
void locate_avx512(const LocateArgs& args);

}  // namespace luna::kernels
