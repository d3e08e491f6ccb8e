#include "runtime/kernels/cpu/slope_dot.h"

#include "runtime/kernels/cpu/processor.h"

namespace luna::kernels {

void slope_dot(const SlopeDot& args) {
  has_avx512() ? slope_dot_avx512(args) : slope_dot_avx2(args);
}

}  // namespace luna::kernels
