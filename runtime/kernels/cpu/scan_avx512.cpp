namespace luna::kernels {
namespace {
constexpr int kVector = 16, kVectors = 2, kCoefficients = 8;  // 16 of 32 registers hold T
}  // namespace
}  // namespace luna::kernels

#include "runtime/kernels/cpu/scan_kernel.h"

namespace luna::kernels {

void scan_avx512(const Scan& scan) { scan_all(scan); }

}  // namespace luna::kernels
