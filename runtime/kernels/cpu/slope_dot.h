// The gradient at the projections of psi in segment form: per token and projection the product of
// its row with the slopes of the table's segment,
//   dt_in = scale_n sum_e v_en slope(e, s_in, i) + last_n normaliser_slope(s_in, i).
// By hand: a vector of products is added up for all projections of a token at once, by a transpose
// in registers, which Halide cannot express (two thirds of the time that each on its own takes,
// AVX-512). No header of torch: compiled once for AVX2 and once for AVX-512, and chosen at run
// time.
#pragma once

#include <cstdint>

namespace luna::kernels {

struct SlopeDot {
  const float* v;  ///< [tokens, dv], v_row apart
  int64_t dv, v_row, tokens;
  const float *scale, *last;  ///< [tokens]
  int64_t scale_stride, last_stride;
  const int32_t* segment;  ///< [m, kStripPitch], tokens innermost
  int64_t m;
  const float* table;       ///< (e, c, segment, i): rows of `width`, a multiple of 16; slopes c = 1
  const float* normaliser;  ///< (c, segment, i)
  int64_t width, rows;      ///< the last row: tokens that are selected out, dt = 0
  float* dt;                ///< [tokens, projections], zeros beyond m
  int64_t projections;      ///< a multiple of 16
};

void slope_dot(const SlopeDot& args);
void slope_dot_avx2(const SlopeDot& args);
void slope_dot_avx512(const SlopeDot& args);

}  // namespace luna::kernels
