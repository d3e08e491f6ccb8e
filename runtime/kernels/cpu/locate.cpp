#include "runtime/kernels/cpu/locate.h"

#include "runtime/kernels/cpu/processor.h"

namespace luna::kernels {

void locate(const LocateArgs& args) { has_avx512() ? locate_avx512(args) : locate_avx2(args); }

}  // namespace luna::kernels
