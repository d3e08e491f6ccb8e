// What the files of the batched passes (pass.h) share.
#pragma once

#include "runtime/kernels/cuda/pass.h"

namespace luna::kernels::cuda {

/// Columns of a packed state: dv values, the normaliser, padding.
int64_t state_columns(const DeviceMap& map);

/// Tokens of a slot of x [B, H, N, ..].
int64_t slot_tokens(const at::Tensor& x);

int64_t slots(const at::Tensor& x);

std::vector<int64_t> shape(const at::Tensor& x, std::initializer_list<int64_t> rest);

/// partial [B, H, slots, rows, all columns] summed in float64 over slots and, where `sum` has fewer
/// heads, those of a group, into sum [B, .., rows, all columns]; 0 in other rows and columns.
at::Tensor slot_total(const Tokens& tokens, const at::Tensor& partial, int64_t columns,
                      const DeviceMap::FeatureLayout& rows, const at::Tensor& sum);

/// x and v as that pipeline takes them, and what every token carries.
KernelCall& add_columns(KernelCall& call, const at::Tensor& x, const at::Tensor& v,
                        const Tokens& tokens, const Columns& columns);

KernelCall& add_tokens(KernelCall& call, const Tokens& tokens, const Columns& columns);

/// A packed state's columns, [B, H, size + 1, padded D].
at::Tensor columns_first(const DeviceMap& map, const at::Tensor& state);

/// The pass of a side's map: Halide's, or its sibling on tensor cores.
KernelCall call_of(const Tokens& tokens, const std::string& pass);

}  // namespace luna::kernels::cuda
