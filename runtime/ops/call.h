// What one call of an operator hands to the kernels: tensors as they take them, and both sides'
// feature maps folded.
#pragma once

#include "runtime/kernels/kernels.h"
#include "runtime/ops/prepared_map.h"
#include "runtime/ops/spec.h"

namespace luna::ops {

/// The same in both directions.
struct Call {
  /// exchanged: MapContext's, of the queries.
  Call(const Inputs& inputs, const Spec& spec, const PreparedMap& map, bool exchanged);

  kernels::Problem problem;
  std::shared_ptr<const LunaMap> luna;  ///< of a learned map
  LunaMap::Side q_side, k_side;
  NamedMap fixed;  ///< of a fixed map
  MapContext q_context, k_context;

 private:
  void fold_fixed(const Inputs& inputs, const Spec& spec, const PreparedMap& map, bool exchanged);
};

/// x / |x| in float32, 0 where x is 0.
at::Tensor unit_rows(const at::Tensor& x);

/// A masked token's row, NaN or not, is not looked at.
at::Tensor drop_masked(const at::Tensor& k, const std::optional<at::Tensor>& mask);

/// The inputs with one half of v's columns.
Inputs half_of(const Inputs& inputs, int64_t half);

}  // namespace luna::ops
