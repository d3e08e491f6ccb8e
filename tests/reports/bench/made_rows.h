// Benchmark rows and files made up for tests.
#pragma once

#include "reports/bench/rows.h"

namespace luna::reports {

/// Rows of B 1, H 2, d 4, forward, one thread, with samples s, s + 1 %, s + 2 %, ...
inline BenchRow made_row(const std::string& name, const std::string& kind, int64_t N,
                         double seconds, size_t count = 10) {
  BenchRow row;
  row.name = name;
  row.label = name + " label";
  row.map = kind == "sdpa" ? "softmax" : "elu";
  row.kind = kind;
  row.B = 1;
  row.H = 2;
  row.N = N;
  row.d = row.D = 4;
  row.threads = 1;
  row.pass = "forward";
  for (size_t i = 0; i < count; ++i) {
    row.samples.push_back(seconds * (1 + 0.01 * static_cast<double>(i)));
  }
  return row;
}

inline nlohmann::json made_environment() {
  return {{"cpu", "Made"}, {"isa", "AVX2"}, {"cores", 2}, {"memory_gib", 8}, {"device", "cpu"}};
}

inline nlohmann::json made_file(const std::vector<BenchRow>& rows) {
  return {{"schema", 1},
          {"kind", "rows"},
          {"environment", made_environment()},
          {"left_out", nlohmann::json::array({{{"row", "x/N:9"}, {"reason", "too slow"}}})},
          {"rows", rows}};
}

}  // namespace luna::reports
