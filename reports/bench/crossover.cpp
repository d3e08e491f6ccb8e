#include "reports/bench/crossover.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

#include "reports/bench/samples.h"
#include "reports/views/format.h"

namespace luna::reports {
namespace {

constexpr const char* kEagerElu = "eager_elu";

/// `peer` gives the seconds to beat at an N, 0 where there are none.
std::string faster_from(const Rows& rows, const std::string& name,
                        const std::function<double(int64_t)>& peer) {
  std::map<int64_t, bool> faster;
  for (const BenchRow* row : rows) {
    const double seconds = row->name == name ? peer(row->N) : 0;
    if (seconds > 0) faster[row->N] = median(row->samples) < seconds;
  }
  if (faster.size() < 2) return kNone;
  const auto slow =
      std::find_if(faster.rbegin(), faster.rend(), [](const auto& entry) { return !entry.second; });
  if (slow == faster.rbegin()) return fmt::format("not up to {}", faster.rbegin()->first);
  return fmt::format("{}", slow.base()->first);
}

std::string line(const Section& section, const BenchRow& op) {
  const auto sdpa = [&](int64_t N) { return fastest(section.rows, N, "sdpa", ""); };
  const auto eager_elu = [&](int64_t N) {
    for (const BenchRow* row : section.rows) {
      if (row->name == kEagerElu && row->N == N) return median(row->samples);
    }
    return 0.0;
  };
  const std::string than_sdpa = faster_from(section.rows, op.name, sdpa);
  const std::string than_elu =
      op.name == kEagerElu ? kNone : faster_from(section.rows, op.name, eager_elu);
  const auto of_python = [&](const char* kind) {
    const auto peer = [&](int64_t N) { return fastest(section.rows, N, kind, op.map); };
    return faster_from(section.rows, op.name, peer);
  };
  const std::string than_compiled = of_python("compiled"), than_fla = of_python("fla");
  const std::string cells =
      fmt::format("| {} | {} | {} | {} |\n", than_sdpa, than_elu, than_compiled, than_fla);
  for (const std::string& cell : {than_sdpa, than_elu, than_compiled, than_fla}) {
    if (cell != kNone) return fmt::format("| {} | {} {}", section.title, op.label, cells);
  }
  return "";
}

}  // namespace

std::string crossovers(const std::vector<Section>& sections) {
  std::string text;
  for (const Section& section : sections) {
    std::map<std::string, const BenchRow*> operators;
    for (const BenchRow* row : section.rows) {
      if (row->kind == "fused" || row->name == kEagerElu) operators[row->name] = row;
    }
    for (const auto& [name, row] : operators) text += line(section, *row);
  }
  if (text.empty()) return "";
  return "\n### Faster from N\n\n| sizes | operator | than SDPA | than eager elu+1 | than "
         "torch.compile | than flash-linear-attention |\n|:--|:--|--:|--:|--:|--:|\n" +
         text;
}

}  // namespace luna::reports
