// Matrices spread over the lanes of a warp, as the PTX manual's figures of fragments say.
#include <immintrin.h>

#include "tests/support/ptx/executor.h"
#include "tests/support/ptx/flush.h"

namespace luna::test::ptx {
namespace {

/// Elements of row g of a fragment: those of lanes 4 g to 4 g + 3, which lie beside each other. Of
/// tf32 four, whose last 13 bits do not count; else eight.
void load_row(const std::byte* reg, int g, Type factor, float* to) {
  const __m128i words = _mm_load_si128(reinterpret_cast<const __m128i*>(reg) + g);
  if (factor == Type::kTf32) {
    const __m128i counted = _mm_and_si128(words, _mm_set1_epi32(~0x1fff));
    _mm_storeu_ps(to, _mm_castsi128_ps(counted));
  } else if (factor == Type::kBf16) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                        _mm256_slli_epi32(_mm256_cvtepu16_epi32(words), 16));
  } else {
    _mm256_storeu_ps(to, _mm256_cvtph_ps(words));
  }
}

/// Two halves of a row of d, of two registers, column by column.
struct Row {
  __m128 low, high;

  static Row load(const std::byte* even, const std::byte* odd, int g) {
    const __m128 a = _mm_load_ps(reinterpret_cast<const float*>(even) + 4 * g);
    const __m128 b = _mm_load_ps(reinterpret_cast<const float*>(odd) + 4 * g);
    return {_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b)};
  }
  void store(std::byte* even, std::byte* odd, int g) const {
    _mm_store_ps(reinterpret_cast<float*>(even) + 4 * g, _mm_shuffle_ps(low, high, 0x88));
    _mm_store_ps(reinterpret_cast<float*>(odd) + 4 * g, _mm_shuffle_ps(low, high, 0xdd));
  }
};

__m128 rounded(__m256d x) {
  const __m128 single = _mm256_cvtpd_ps(x);
  const __m128 nan = _mm_castsi128_ps(_mm_set1_epi32(0x7fffffff));
  return _mm_blendv_ps(single, nan, _mm_cmpunord_ps(single, single));
}

}  // namespace

/// d (16 x 8) = a (16 x K) b (K x 8) + c, K = 16, or 8 of tf32. Lane 4 g + t holds of a rows g and
/// g + 8 at columns 2 t, 2 t + 1 and those plus 8 (tf32: t, and plus 4); of b these as rows of
/// column g; of c and d rows g and g + 8 at columns 2 t, 2 t + 1. Products are exact and summed in
/// float64: the order of a tensor core's sum is not defined.
void multiply_matrices(std::byte* file, const Instruction& in) {
  const auto& m = in.matrix;
  const int K = in.factor == Type::kTf32 ? 8 : 16;
  float columns[8][16];
  for (int g = 0; g < 8; g++) {
    load_row(file + m[8], g, in.factor, columns[g]);
    load_row(file + m[9], g, in.factor, columns[g] + K / 2);
  }
  double b[16][8];
  for (int k = 0; k < K; k++) {
    for (int column = 0; column < 8; column++) b[k][column] = columns[column][k];
  }
  Row d[16];  // written at the end: its registers may be those of a
  for (int row = 0; row < 16; row++) {
    const int g = row % 8, lower = row / 8;
    float a[16];
    load_row(file + m[4 + lower], g, in.factor, a);
    load_row(file + m[6 + lower], g, in.factor, a + K / 2);
    const Row c = Row::load(file + m[10 + 2 * lower], file + m[11 + 2 * lower], g);
    __m256d low = _mm256_cvtps_pd(c.low), high = _mm256_cvtps_pd(c.high);
    for (int k = 0; k < K; k++) {
      const __m256d factor = _mm256_set1_pd(a[k]);
      low = _mm256_fmadd_pd(factor, _mm256_loadu_pd(b[k]), low);
      high = _mm256_fmadd_pd(factor, _mm256_loadu_pd(b[k] + 4), high);
    }
    d[row] = {rounded(low), rounded(high)};
  }
  for (int row = 0; row < 16; row++) {
    d[row].store(file + m[row / 8 * 2], file + m[1 + row / 8 * 2], row % 8);
  }
}

/// Lane 4 g + t has elements 2 t, 2 t + 1 of row g, and gets those of column g.
void transpose_matrix(std::byte* file, const Instruction& in) {
  uint32_t rows[8][4];
  for (int lane = 0; lane < kLanes; lane++) {
    rows[lane / 4][lane % 4] = read<uint32_t>(file + in.operand[1], lane);
  }
  for (int lane = 0; lane < kLanes; lane++) {
    const int g = lane / 4, t = lane % 4;
    const auto element = [&](int row) { return rows[row][g / 2] >> (16 * (g % 2)) & 0xffff; };
    write(file + in.operand[0], lane, element(2 * t) | element(2 * t + 1) << 16);
  }
}

/// Lane 8 i + r has the address of row r of matrix i, 8 elements of 16 bits. Of each matrix lane
/// 4 g + t gets elements 2 t, 2 t + 1 of row g; transposed: of column g.
void Memory::load_matrix(const Instruction& in, Warp& warp) {
  constexpr size_t kRowBytes = 16;
  const std::byte* const base = warp.file() + in.operand[0];
  for (int matrix = 0; matrix < in.elements; matrix++) {
    uint64_t address[8];
    uint16_t rows[8][8];
    for (int row = 0; row < 8; row++) {
      const int owner = 8 * matrix + row;
      address[row] = in.wide_base ? read<uint64_t>(base, owner) + static_cast<uint64_t>(in.offset)
                                  : static_cast<uint32_t>(read<uint32_t>(base, owner) + in.offset);
      if (address[row] % kRowBytes) misaligned(owner, address[row], kRowBytes);
      std::memcpy(rows[row], shared_place(address[row], kRowBytes, owner), kRowBytes);
    }
    for (int turn = 0; turn < (in.transposed ? 2 : 1); turn++) {  // a row that each lane gets of
      SharedMemory::Addresses read;
      for (int lane = 0; lane < kLanes; lane++) {
        read[lane] = address[in.transposed ? lane % 4 * 2 + turn : lane / 4];
      }
      shared_.access(Access::kRead, read, kRowBytes, warp.thread(0), kAllLanes);
    }
    for (int lane = 0; lane < kLanes; lane++) {
      const int g = lane / 4, t = lane % 4;
      const uint32_t low = in.transposed ? rows[2 * t][g] : rows[g][2 * t];
      const uint32_t high = in.transposed ? rows[2 * t + 1][g] : rows[g][2 * t + 1];
      write(warp.file() + in.operand[1 + matrix], lane, low | high << 16);
    }
  }
}

}  // namespace luna::test::ptx
