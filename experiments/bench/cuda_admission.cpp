#include "experiments/bench/cuda_admission.h"

#include <fmt/format.h>

#include "reports/bench/samples.h"

namespace luna::bench {
namespace {

constexpr double kMostSpread = 0.05, kHostBound = 100e-6;

}  // namespace

std::string sizeless(const SweepRow& row) {
  return fmt::format("{}, {}, d {}, {}{}", row.facts.name, row.facts.dtype, row.facts.d,
                     row.facts.causal ? "causal, " : "", row.facts.pass);
}

double Estimate::seconds(const SweepRow& row, double flops) const {
  const auto found = known_.find(sizeless(row));
  return found == known_.end() ? 0 : found->second.seconds * flops / found->second.flops;
}

void Estimate::add(const SweepRow& row, double flops, double seconds) {
  known_[sizeless(row)] = {flops, seconds};
}

std::string noise(const std::vector<reports::BenchRow>& rows) {
  std::vector<double> spreads;
  for (const reports::BenchRow& row : rows) {
    if (reports::median(row.samples) < kHostBound) continue;
    spreads.push_back(reports::spread(row.samples));
  }
  if (spreads.empty()) return "";
  const double spread = reports::median(spreads);
  if (spread <= kMostSpread) return "";
  return fmt::format(
      "times of 100 us and more spread over {:.0f} % of their median ({:.0f} % accepted)",
      100 * spread, 100 * kMostSpread);
}

}  // namespace luna::bench
