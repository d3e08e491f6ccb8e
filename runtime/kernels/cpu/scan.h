// The causal product of one tile of tokens: every token adds a (x) b to a state and reads it with
// c,
//   T(i, j) += a_n(i) b_n(j),  y_n(i) = sum_j T(i, j) c_n(j),  n in the order of time,
// so that y_n holds what its own token and those before it gave, with neither scores nor a mask. By
// hand: blocks of T stay in registers over all tokens, which Halide cannot express (an update whose
// every step another one reads): 2 multiplications a (feature, value) at 99 % (AVX-512) of the
// measured FMA peak. No header of torch: compiled once for AVX2 and once for AVX-512, and chosen at
// run time.
#pragma once

#include <cstdint>

namespace luna::kernels {

/// Most tokens of a scan.
inline constexpr int64_t kScanTokens = 256;

/// Rows of a tile's tokens; a negative stride runs against time, 0 gives every token the same.
struct ScanRows {
  const float* first;  ///< of the token that comes first
  int64_t stride;      ///< floats from token to token
};

struct Scan {
  ScanRows a;     ///< (i): lanes values and memory, a multiple of kRowColumns
  ScanRows b, c;  ///< (j): count values
  float* y;       ///< (i), of the token that comes first
  int64_t y_stride;
  bool adds;  ///< y += instead of y =
  int64_t lanes, count, tokens;
  float* T;  ///< (i, j), rows of lanes values
  int64_t T_stride;
  bool keeps;  ///< T goes on with the sum; else it stays what it was
};

void scan(const Scan& scan);
void scan_avx2(const Scan& scan);
void scan_avx512(const Scan& scan);

}  // namespace luna::kernels
