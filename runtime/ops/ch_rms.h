// ch_rms, the Listing's cap on each channel's RMS: s_l = min(1, target / (rms_l + 1e-6)),
// rms_l = sqrt(mean + 1e-6), mean over all tokens, heads and projections of one side (q or k) of
// the call.
#pragma once

#include <ATen/ATen.h>

namespace luna::ops {

inline constexpr double kRmsEps = 1e-6;

/// Where the power sum lies: nothing waits for a device.
struct ChRms {
  at::Tensor scale;       ///< [L] float64, s_l
  at::Tensor scale_rate;  ///< [L] float64, ds_l / d(sum of squares)
};

/// power_sum [L] float64: sum of psi_l^2 (after nonneg); count: number of terms (0: nothing to
/// scale, s = 1).
ChRms ch_rms(const at::Tensor& power_sum, double count, double target);

}  // namespace luna::ops
