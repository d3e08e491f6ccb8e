// Memory layout at the operators' edge: which views the kernels read as they are.
#pragma once

#include <ATen/ATen.h>

namespace luna::ops {

/// x itself where its last stride is 1 (any other stride may be 0 or permuted), else one contiguous
/// copy. Differentiable.
at::Tensor unit_last_stride(const at::Tensor& x);

/// On CUDA: x itself where base and rows are 16-byte aligned, else a contiguous copy. On CPU: x.
at::Tensor aligned(const at::Tensor& x);

}  // namespace luna::ops
