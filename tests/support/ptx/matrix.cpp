// Matrices spread over the lanes of a warp, as the PTX manual's figures of fragments say.
#include <immintrin.h>

#include "tests/support/ptx/executor.h"
#include "tests/support/ptx/flush.h"

namespace luna::test::ptx {
namespace {

float half_to_float(uint16_t bits, bool brain) {
  return brain ? bit_cast<float>(uint32_t(bits) << 16) : _cvtsh_ss(bits);
}

/// Element `part` (0: the lower half) of a register.
float half_of(const std::byte* reg, int lane, int part, bool brain) {
  return half_to_float(static_cast<uint16_t>(read<uint32_t>(reg, lane) >> (16 * part)), brain);
}

}  // namespace

/// d (16 x 8) = a (16 x 16) b (16 x 8) + c. Lane 4 g + t holds of a rows g and g + 8 at columns
/// 2 t, 2 t + 1 and those plus 8; of b these as rows of column g; of c and d rows g and g + 8 at
/// columns 2 t, 2 t + 1. Products are exact and summed in float64: the order of a tensor core's sum
/// is not defined.
void multiply_matrices(std::byte* file, const Instruction& in) {
  double a[16][16], b[16][8];
  float d[16][8];
  const auto& m = in.matrix;
  for (int lane = 0; lane < kLanes; lane++) {
    const int g = lane / 4, t = lane % 4;
    for (int reg = 0; reg < 4; reg++) {
      for (int part = 0; part < 2; part++) {
        const int column = 2 * t + part;
        a[g + reg % 2 * 8][column + reg / 2 * 8] = half_of(file + m[4 + reg], lane, part, in.brain);
        if (reg < 2) b[column + reg * 8][g] = half_of(file + m[8 + reg], lane, part, in.brain);
      }
      d[g + reg / 2 * 8][2 * t + reg % 2] = read<float>(file + m[10 + reg], lane);
    }
  }
  for (int row = 0; row < 16; row++) {
    double sum[8];
    for (int column = 0; column < 8; column++) sum[column] = d[row][column];
    for (int k = 0; k < 16; k++) {
      for (int column = 0; column < 8; column++) sum[column] += a[row][k] * b[k][column];
    }
    for (int column = 0; column < 8; column++) {
      d[row][column] = canonical(static_cast<float>(sum[column]));
    }
  }
  for (int lane = 0; lane < kLanes; lane++) {
    for (int reg = 0; reg < 4; reg++) {
      write(file + m[reg], lane, d[lane / 4 + reg / 2 * 8][2 * (lane % 4) + reg % 2]);
    }
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
    uint16_t rows[8][8];
    for (int row = 0; row < 8; row++) {
      const int owner = 8 * matrix + row;
      const uint64_t address = in.wide_base
                                   ? read<uint64_t>(base, owner) + static_cast<uint64_t>(in.offset)
                                   : static_cast<uint32_t>(read<uint32_t>(base, owner) + in.offset);
      if (address % kRowBytes) misaligned(owner, address, kRowBytes);
      for (int lane = 0; lane < kLanes; lane++) {
        const bool gets = in.transposed ? lane % 4 == row / 2 : lane / 4 == row;
        if (!gets) continue;
        const std::byte* const place =
            shared_place(address, kRowBytes, Access::kRead, warp.thread(lane), lane);
        std::memcpy(rows[row], place, kRowBytes);
      }
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
