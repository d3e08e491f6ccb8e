#include <cstdint>

namespace luna::kernels {
namespace {
constexpr int64_t kVector = 8;
constexpr int kVectors = 2, kCoefficients = 4;  // 8 of 16 registers hold T
// 79 and 84 GFLOP/s (64 by 128, 128 by 64) become 84 and 90, of 103; of fewer it is not worth it.
constexpr int64_t kDenseCount = 8;
}  // namespace
}  // namespace luna::kernels

#include "runtime/kernels/cpu/scan_kernel.h"

namespace luna::kernels {

void scan_avx2(const Scan& scan) { scan_all(scan); }

}  // namespace luna::kernels
