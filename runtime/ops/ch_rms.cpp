#include "runtime/ops/ch_rms.h"

#include <cmath>

namespace luna::ops {

ChRms ch_rms(const std::vector<double>& power_sum, double count, double target) {
  ChRms out{std::vector<double>(power_sum.size(), 1.0), std::vector<double>(power_sum.size(), 0.0)};
  if (count == 0) return out;
  for (size_t l = 0; l < power_sum.size(); ++l) {
    const double rms = std::sqrt(power_sum[l] / count + kRmsEps);
    const double ratio = target / (rms + kRmsEps);
    if (ratio >= 1.0) continue;
    out.scale[l] = ratio;  // also where rms is NaN: NaN spreads, as torch's would
    // ds/drms = -ratio / (rms + eps), drms/dmean = 1 / (2 rms), dmean/dsum = 1 / count
    out.scale_rate[l] = -ratio / (rms + kRmsEps) / (2.0 * rms * count);
  }
  return out;
}

}  // namespace luna::ops
