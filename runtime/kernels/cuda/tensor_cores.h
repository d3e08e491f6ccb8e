// Whether a problem goes to tensor cores: siblings of the batched pwl pipelines that read x and v
// in half precision (generators/attention/tensor). What they compute is what Halide's pipelines
// define; where one is missing those run, on widened copies.
#pragma once

#include "runtime/kernels/cuda/kernel_call.h"
#include "runtime/kernels/kernels.h"

namespace luna::kernels::cuda {

/// What the passes of the problem read: the dtype of q, k and v where siblings are built for it (a
/// pwl map whose table fits beside the rest in shared memory, heads of up to 64), else float32.
/// With LUNA_VERBOSE=1 in the environment it says on stderr which, once for each answer.
at::ScalarType tensor_core_storage(const Backend& backend, const Problem& problem);

/// Whether the sums over a table's segments fit in registers: those that do not are
/// Halide's.
bool tensor_core_sums_fit(const MapArgs& map);

/// What the names of pipelines of that storage end in: "", "_bf16", "_f16".
const char* storage_suffix(at::ScalarType storage);

}  // namespace luna::kernels::cuda
