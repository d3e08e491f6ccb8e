// Sums of a map's parameter gradients: one a task, then their total.
#pragma once

#include "runtime/kernels/cpu/packed_map.h"
#include "runtime/kernels/cpu/state.h"

namespace luna::kernels {

class ParameterSums {
 public:
  /// Float32, of that many tasks; not wanted: none.
  ParameterSums(const PackedMap& map, int64_t tasks, bool wanted) : map_(map) {
    if (wanted) sums_ = at::zeros({tasks, map.sum_size()}, at::kFloat);
  }
  /// What FeatureTiles::start_gradient() takes.
  float* of(int64_t task) const {
    return sums_.defined() ? sums_.data_ptr<float>() + task * sums_.size(1) : nullptr;
  }
  /// The total, of wanted sums alone; tasks are those of k's heads, or of queries in their order.
  MapGrads total(const at::Tensor& k) const {
    TORCH_INTERNAL_ASSERT(sums_.defined());
    return map_.unpack(map_.heads() > 1 ? sum_tasks(sums_, k.size(0), k.size(1))
                                        : sum_tasks(sums_, 1, 1));
  }

 private:
  const PackedMap& map_;
  at::Tensor sums_;
};

}  // namespace luna::kernels
