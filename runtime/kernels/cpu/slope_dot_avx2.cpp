#include "runtime/kernels/cpu/vectors_avx2.h"

namespace luna::kernels {
namespace {

/// x[0] and zeros, as a load of one float gives them.
inline __m256 first_lane(const float* x) { return _mm256_zextps128_ps256(_mm_load_ss(x)); }

}  // namespace
}  // namespace luna::kernels

#include "runtime/kernels/cpu/slope_dot_kernel.h"

namespace luna::kernels {

void slope_dot_avx2(const SlopeDot& args) { choose_dot(args); }

}  // namespace luna::kernels
