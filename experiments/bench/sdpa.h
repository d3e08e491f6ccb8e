// Softmax by torch's scaled_dot_product_attention: what linear attention is measured against.
#pragma once

#include "experiments/bench/operators.h"

namespace luna::bench {

/// "sdpa": whichever kernel torch chooses.
Operator sdpa_operator();

/// "sdpa_flash", "sdpa_math", on CUDA also "sdpa_cudnn" and "sdpa_efficient": SDPA by that kernel
/// alone, a c10::Error where torch has no such kernel for the inputs. A device is the CPU or CUDA.
std::vector<Operator> sdpa_operators(c10::DeviceType device);

}  // namespace luna::bench
