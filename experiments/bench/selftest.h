// `luna selftest`: every map and mode that is built for a device, forward and all gradients,
// against its formula in float64 on small random configurations, in this process.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <string>
#include <vector>

namespace luna::bench {

/// One map in one mode.
struct SelftestResult {
  std::string map, mode;
  int configurations = 0;  ///< that were run; 0: not offered, or not built for the device
  double worst = 0;        ///< largest error of them, in units of its bound; infinite for NaN
  std::string error;       ///< what the operator threw; "" where nothing
  std::string not_built;   ///< what it threw where a kernel is missing in this build; "" else
  bool passed() const { return error.empty() && worst <= 1; }
};

/// Of the maps with `only` in their names. `say` gets a line a map. The same configurations on
/// every device.
std::vector<SelftestResult> selftest(c10::Device device, const std::string& only,
                                     const std::function<void(const std::string&)>& say);

/// The last lines: how many configurations, what failed and what was not built.
std::string selftest_summary(const std::vector<SelftestResult>& results);

}  // namespace luna::bench
