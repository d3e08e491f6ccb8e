#include <cstdint>

namespace luna::kernels {
namespace {
constexpr int64_t kVector = 16;
constexpr int kVectors = 2, kCoefficients = 8;  // 16 of 32 registers hold T
// Never: a block computes four times as long as AVX2's on what it reads.
constexpr int64_t kDenseCount = 1 << 30;
}  // namespace
}  // namespace luna::kernels

#include "runtime/kernels/cpu/scan_kernel.h"

namespace luna::kernels {

void scan_avx512(const Scan& scan) { scan_all(scan); }

}  // namespace luna::kernels
