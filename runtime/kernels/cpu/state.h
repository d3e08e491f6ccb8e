// Layouts of the augmented state [D, dv + 1] (S and the normaliser z) that the CPU passes read and
// write.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "generators/common/tiles.h"

namespace luna::kernels {

/// How D = m L features lie among the padded ones: projection i starts at i * stride, its L
/// channels follow.
struct FeatureLayout {
  int64_t m, L;
  int64_t stride;  ///< channels per projection after padding
  int64_t padded;  ///< features after padding
  int64_t D() const { return m * L; }
};

/// Columns of an augmented state after padding.
inline int64_t augmented_columns(int64_t dv) {
  return tiles::round_up(dv + 1, tiles::kStateColumns);
}

/// View of the true features of a padded tensor whose dimension `dim` is layout.padded, as [.., m,
/// L, ..].
at::Tensor true_features(const at::Tensor& padded, int64_t dim, const FeatureLayout& layout);

/// Sums `slots` partial states (e, D) of padded extents, in float64, into S [D, dv] and z [D].
void reduce_state(const float* partial, int64_t slots, const FeatureLayout& layout, int64_t dv,
                  float* S, float* z);

/// [B, H, D, dv] as rows (e, D), padded with zeros to [B, H, layout.padded, round_up(dv,
/// kRowColumns)].
at::Tensor state_rows(const at::Tensor& S, const FeatureLayout& layout);

/// [B, H, D] padded with zeros to [B, H, layout.padded].
at::Tensor normaliser_row(const at::Tensor& z, const FeatureLayout& layout);

/// S [B, H, D, dv] and z [B, H, D] as columns (e, D), z last: [B, H, augmented_columns(dv),
/// layout.padded].
at::Tensor state_columns(const at::Tensor& S, const at::Tensor& z, const FeatureLayout& layout);

/// Sums of floats [tasks, count] in float64, [heads, count]: tasks are ordered by batch entry, then
/// head, whose own tasks are adjacent.
at::Tensor sum_tasks(const at::Tensor& partial, int64_t B, int64_t heads);

}  // namespace luna::kernels
