// Rows of a benchmark: what `luna bench --full`, `luna bench --device cuda` and
// experiments/bench/peers.py write and `luna compare` and `luna table` read. The file:
//   {"schema": 1, "kind": "rows", "method": str, "environment": env.json's, "options": {...},
//    "ceilings": [{"threads", "isa", "gflops", "gb_s"}], of a GPU [{"dtype", "gflops", "gb_s"}],
//    "gate": [{"operator", "d", "causal", "max_error", "limit"}],
//    "left_out": [{"row", "reason"}],
//    "rows": [{"operator", "label", "map", "kind", "dtype", "B", "H", "N", "d", "D", "causal",
//              "pass", "threads", "calls", "samples": [s], "min_s", "q1_s", "median_s", "q3_s",
//              "flops", "bytes", "roofline_s", "peak_bytes"}]}
// The last four are absent where they are not known, dtype in float32. A GPU's environment has
// "device": "cuda" and "gpu": {"before": state, "after": state} (experiments/bench/gpu_state.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace luna::reports {

/// One operator at one size, one pass, one number of threads; dv = d.
struct BenchRow {
  std::string name;   ///< of the operator
  std::string label;  ///< for people
  std::string map;    ///< feature map: luna, a fixed map, softmax
  std::string kind;   ///< fused, eager, compiled, fla, sdpa
  std::string dtype = "float32";
  int64_t B = 0, H = 0, N = 0, d = 0, D = 0, threads = 0;
  bool causal = false;
  std::string pass;             ///< forward, forward_backward, decode
  int64_t calls = 1;            ///< calls a sample is the mean of
  std::vector<double> samples;  ///< seconds a call
  /// Of one call: floating-point operations and bytes by the model of experiments/bench/work.h, the
  /// time that they take at the machine's ceilings, and memory beyond the inputs at the worst.
  std::optional<double> flops, bytes, roofline_s, peak_bytes;

  /// "luna/B:1/H:8/N:64/d:32/causal/forward/threads:1": one row of a file, the same in every file;
  /// "luna/bfloat16/B:1..." where it is not float32.
  std::string key() const;
  /// Nanoseconds a token of one head, of so many seconds a call.
  double token_head_ns(double seconds) const;
};

void to_json(nlohmann::json& object, const BenchRow& row);
/// Throws std::runtime_error that names the field, what it must be and what it is.
void from_json(const nlohmann::json& object, BenchRow& row);

/// content["rows"]. Throws std::runtime_error that names the row that is damaged or stands twice.
std::vector<BenchRow> bench_rows(const nlohmann::json& content);

struct BenchFile {
  nlohmann::json environment;
  std::vector<BenchRow> rows;
  std::vector<std::string> left_out;  ///< "<row>: <reason>"
  nlohmann::json ceilings = nlohmann::json::array();

  bool on_gpu() const { return environment.value("device", nlohmann::json()) == "cuda"; }
};

/// Throws std::runtime_error, one line with the row, the field and the cure, where the file is
/// absent, damaged, with a row twice or of another kind.
BenchFile read_bench_file(const std::filesystem::path& path);

}  // namespace luna::reports
