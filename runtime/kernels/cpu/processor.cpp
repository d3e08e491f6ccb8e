#include "runtime/kernels/cpu/processor.h"

namespace luna::kernels {

bool has_avx512() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
  return has;
}

bool has_wide_fma() { return has_avx512() && !__builtin_cpu_is("amd"); }

}  // namespace luna::kernels
