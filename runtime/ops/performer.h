// Drawing of FAVOR+'s projection.
#pragma once

#include <ATen/ATen.h>

namespace luna::ops {

/// W [m, d] float32: ceil(m / d) blocks of orthogonal rows (Haar-uniform: QR with the signs of diag
/// R), each row scaled to the norm of an independent N(0, I_d) draw, so that rows are N(0, I_d) one
/// by one.
at::Tensor performer_projection(int64_t m, int64_t d, std::optional<at::Generator> generator);

}  // namespace luna::ops
