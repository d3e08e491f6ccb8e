// Where tokens lie on a piecewise-linear psi: the segment of t_in = w_i x_n + b_i and how far into
// it. By hand: the search permutes registers, which Halide cannot express (AVX-512: 20 ns for 16
// projections of 32 coordinates against 56 ns by vector compare and population count);
// segment_sites is the form for any number of knots. No header of torch: compiled once for AVX2 and
// once for AVX-512, and chosen at run time.
#pragma once

#include <cstdint>

namespace luna::kernels {

/// Most knots: 2^kMaxLocateLevels - 1.
inline constexpr int kMaxLocateLevels = 8;

/// Knots of a tail: gaps of a tree's knots that hold one more each.
inline constexpr int kTailKnots = 16;

/// Of SearchLevels: a complete binary tree of knots, level after level in whole vectors, and
/// the tail's knots.
struct KnotLevels {
  const float* knots;
  int count;  ///< levels of the tree; 0: too many knots
  bool tail;
};

struct LocateArgs {
  const float* x;  ///< [tokens, d], row_stride apart
  int64_t d, row_stride, tokens;
  const float* proj;  ///< [d, projections], projections a multiple of 16, 64-byte aligned
  const float* bias;  ///< [projections]
  int64_t projections;
  KnotLevels levels;
  const float* base;  ///< of the segments, padded to 2^kMaxLocateLevels; nullptr: 0
  float origin;       ///< base of the segment of 0
  float* t;           ///< [projections, pitch], tokens innermost; pitch a multiple of 16 and
  int32_t* segment;   ///< not below tokens rounded up to 16
  int64_t pitch;
};

/// Segments' bases, which are one of their ends, are 0 from there on.
inline constexpr float kFarthestBase = 1e18f;

/// #{knots <= t}, the segment, and t - base[segment]. Beyond `tokens`, up to a multiple of
/// kTokenBlock, values of the last token.
void locate(const LocateArgs& args);
void locate_avx2(const LocateArgs& args);
void locate_avx512(const LocateArgs& args);

}  // namespace luna::kernels
