// A call's feature map as far as it depends on parameters alone: made once for all sequences of a
// packed call and for both value halves of a polar one, and kept for the backward pass, the next
// step of decoding, the next batch of an evaluation.
#pragma once

#include <memory>

#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/luna_map.h"

namespace luna::ops {

struct PreparedMap {
  /// op: the name messages begin with.
  PreparedMap(const char* op, const std::vector<at::Tensor>& given, const Spec& spec);

  std::vector<at::Tensor> params;         ///< in float32, as the kernels take them
  std::shared_ptr<const LunaMap> luna;    ///< of a learned map
  NamedMap fixed;                         ///< of a fixed map
  std::shared_ptr<const psi::Psi> table;  ///< of a fixed map that is a table
  kernels::MapArgs folded;                ///< of a table: both sides
};

/// The map of such parameters, made by an earlier call where all their bits and the spec are the
/// same (a psi takes longer to fold than a short call takes): never of tensors that only look the
/// same by address or version. Elsewhere than on the CPU nothing is kept: to compare bits is to
/// wait for the device, and writes that torch does not see (a replayed graph, `.data`) change no
/// version. Any thread.
std::shared_ptr<const PreparedMap> kept_map(const char* op, const std::vector<at::Tensor>& params,
                                            const Spec& spec);

}  // namespace luna::ops
