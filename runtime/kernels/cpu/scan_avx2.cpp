namespace luna::kernels {
namespace {
constexpr int kVector = 8, kVectors = 2, kCoefficients = 4;  // 8 of 16 registers hold T
}  // namespace
}  // namespace luna::kernels

#include "runtime/kernels/cpu/scan_kernel.h"

namespace luna::kernels {

void scan_avx2(const Scan& scan) { scan_all(scan); }

}  // namespace luna::kernels
