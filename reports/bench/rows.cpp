#include "reports/bench/rows.h"

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <stdexcept>

#include "reports/bench/samples.h"

namespace luna::reports {
namespace {

using nlohmann::json;

constexpr const char* kCure = "make it with `luna bench --full` or `make bench-peers`";

std::optional<double> number(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

void set(json& object, const char* key, const std::optional<double>& value) {
  if (value) object[key] = *value;
}

}  // namespace

std::string BenchRow::key() const {
  return fmt::format("{}/B:{}/H:{}/N:{}/d:{}{}/{}/threads:{}", name, B, H, N, d,
                     causal ? "/causal" : "", pass, threads);
}

double BenchRow::token_head_ns(double seconds) const {
  return 1e9 * seconds / static_cast<double>(B * H * N);
}

void to_json(json& object, const BenchRow& row) {
  object = {{"operator", row.name},
            {"label", row.label},
            {"map", row.map},
            {"kind", row.kind},
            {"B", row.B},
            {"H", row.H},
            {"N", row.N},
            {"d", row.d},
            {"D", row.D},
            {"causal", row.causal},
            {"pass", row.pass},
            {"threads", row.threads},
            {"calls", row.calls},
            {"samples", row.samples},
            {"min_s", quantile(row.samples, 0)},
            {"q1_s", quantile(row.samples, 0.25)},
            {"median_s", median(row.samples)},
            {"q3_s", quantile(row.samples, 0.75)}};
  set(object, "flops", row.flops);
  set(object, "bytes", row.bytes);
  set(object, "roofline_s", row.roofline_s);
  set(object, "peak_bytes", row.peak_bytes);
}

void from_json(const json& object, BenchRow& row) {
  object.at("operator").get_to(row.name);
  object.at("label").get_to(row.label);
  object.at("map").get_to(row.map);
  object.at("kind").get_to(row.kind);
  object.at("B").get_to(row.B);
  object.at("H").get_to(row.H);
  object.at("N").get_to(row.N);
  object.at("d").get_to(row.d);
  object.at("D").get_to(row.D);
  object.at("causal").get_to(row.causal);
  object.at("pass").get_to(row.pass);
  object.at("threads").get_to(row.threads);
  object.at("calls").get_to(row.calls);
  object.at("samples").get_to(row.samples);
  row.flops = number(object, "flops");
  row.bytes = number(object, "bytes");
  row.roofline_s = number(object, "roofline_s");
  row.peak_bytes = number(object, "peak_bytes");
  if (row.samples.empty()) throw std::runtime_error(row.key() + " has no samples");
  for (const double seconds : row.samples) {
    if (!(seconds > 0)) throw std::runtime_error(row.key() + " has a sample that is no time");
  }
}

BenchFile read_bench_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(fmt::format("{}: no such file; {}", path.string(), kCure));
  const auto damaged = [&](const std::string& why) {
    return std::runtime_error(fmt::format("{}: {}; {}", path.string(), why, kCure));
  };
  const json content = json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (content.is_discarded()) throw damaged("no JSON");
  if (!content.is_object() || content.value("kind", json()) != "rows") {
    throw damaged("no benchmark with rows");
  }
  try {
    BenchFile result{content.at("environment"), content.at("rows"), {}};
    for (const json& entry : content.value("left_out", json::array())) {
      result.left_out.push_back(entry.at("row").get<std::string>() + ": " +
                                entry.at("reason").get<std::string>());
    }
    return result;
  } catch (const std::exception& error) {
    throw damaged(error.what());
  }
}

}  // namespace luna::reports
