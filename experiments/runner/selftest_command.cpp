// `luna selftest`: every map and mode that is built for a device against float64.
#include <fmt/format.h>

#include <algorithm>

#include "experiments/bench/cuda.h"
#include "experiments/bench/selftest.h"
#include "experiments/config/options.h"
#include "experiments/runner/commands.h"

namespace luna::experiments {

int run(const SelftestOptions& options) {
  const std::string missing = options.device == "cuda" ? bench::open_cuda() : "";
  if (!missing.empty()) {
    fmt::print(stderr, "not run: {}; --device cpu checks the CPU\n", missing);
    return kNotRun;
  }
  const auto say = [](const std::string& line) {
    fmt::print("{}\n", line);
    std::fflush(stdout);
  };
  const auto results = bench::selftest(c10::Device(options.device), options.only, say);
  if (results.empty()) throw UsageError("no map has '" + options.only + "' in its name");
  fmt::print("{}\n", bench::selftest_summary(results));
  const bool passed = std::all_of(results.begin(), results.end(),
                                  [](const auto& result) { return result.passed(); });
  return passed ? 0 : 1;
}

}  // namespace luna::experiments
