#include "runtime/kernels/cpu/scan.h"

#include "runtime/kernels/cpu/processor.h"

namespace luna::kernels {

void scan(const Scan& scan) { has_avx512() ? scan_avx512(scan) : scan_avx2(scan); }

}  // namespace luna::kernels
