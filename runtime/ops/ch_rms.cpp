#include "runtime/ops/ch_rms.h"

namespace luna::ops {

ChRms ch_rms(const at::Tensor& power_sum, double count, double target) {
  if (count == 0) return {at::ones_like(power_sum), at::zeros_like(power_sum)};
  const at::Tensor rms = (power_sum / count + kRmsEps).sqrt_();
  const at::Tensor ratio = (rms + kRmsEps).reciprocal_().mul_(target);
  const at::Tensor below = ratio >= 1.0;  // not where rms is NaN: it spreads, as torch's would
  // ds/drms = -ratio / (rms + eps), drms/dmean = 1 / (2 rms), dmean/dsum = 1 / count
  const at::Tensor rate = ratio / (rms + kRmsEps) / (rms * (-2.0 * count));
  return {ratio.masked_fill(below, 1.0), rate.masked_fill(below, 0.0)};
}

}  // namespace luna::ops
