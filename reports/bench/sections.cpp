#include "reports/bench/sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "reports/bench/samples.h"
#include "reports/views/format.h"

namespace luna::reports {
namespace {

using Key = std::tuple<double, int64_t, int64_t, bool, std::string, int64_t, std::string>;

/// B, on a GPU B N.
double batch_of(const BenchRow& row, bool on_gpu) {
  return static_cast<double>(row.B) * (on_gpu ? static_cast<double>(row.N) : 1);
}

Key key_of(const BenchRow& row, bool on_gpu) {
  return {batch_of(row, on_gpu), row.H, row.d, row.causal, row.pass, row.threads, row.dtype};
}

std::string pass_text(const BenchRow& row) {
  if (row.pass == "decode") return "a decoding step";
  return row.pass == "forward" ? "forward" : "forward + backward";
}

std::string title(const BenchRow& row, bool on_gpu) {
  const std::string sizes =
      on_gpu ? "B N " + rounded(batch_of(row, on_gpu)) : fmt::format("B {}", row.B);
  const std::string dtype = on_gpu || row.dtype != "float32" ? row.dtype + ", " : "";
  const std::string where = on_gpu ? "" : ", " + threads(row.threads);
  return fmt::format("{}, H {}, d {}, {}{}, {}{}", sizes, row.H, row.d, dtype,
                     row.causal ? "causal" : "not causal", pass_text(row), where);
}

}  // namespace

std::vector<Section> sections_of(const BenchFile& file) {
  std::map<Key, Rows> by_key;
  for (const BenchRow& row : file.rows) by_key[key_of(row, file.on_gpu())].push_back(&row);
  std::vector<Section> sections;
  for (auto& [key, rows] : by_key) {
    std::stable_sort(rows.begin(), rows.end(),
                     [](const BenchRow* a, const BenchRow* b) { return a->N < b->N; });
    sections.push_back({title(*rows.front(), file.on_gpu()), rows});
  }
  return sections;
}

double fastest(const Rows& rows, int64_t N, const std::string& kind, const std::string& map) {
  double least = 0;
  for (const BenchRow* row : rows) {
    if (row->N != N || row->kind != kind || (!map.empty() && row->map != map)) continue;
    const double seconds = median(row->samples);
    if (least == 0 || seconds < least) least = seconds;
  }
  return least;
}

}  // namespace luna::reports
