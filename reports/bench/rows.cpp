#include "reports/bench/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <stdexcept>

#include "reports/bench/samples.h"
#include "reports/fields.h"

namespace luna::reports {
namespace {

using nlohmann::json;

constexpr const char* kCure = "make it with `luna bench --full` or `make bench-peers`";

constexpr int64_t kMostCount = int64_t{1} << 40;
constexpr size_t kMostShown = 60;  // characters of a value
constexpr int kMostDepth = 64;     // of values in values, which are copied and printed recursively

/// As much of it as a message has room for; whole characters.
std::string shown(const json& value) {
  return value.dump(-1, ' ', /*ensure_ascii=*/true).substr(0, kMostShown);
}

/// What a field holds and what it should; the caller says of which row.
[[noreturn]] void refuse(const char* key, const json& object, const char* expected) {
  const auto found = object.find(key);
  const std::string given = found == object.end() ? "nothing" : shown(*found);
  throw std::runtime_error(fmt::format("{} must be {}, got {}", key, expected, given));
}

std::string text(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) refuse(key, object, "a text");
  return found->get<std::string>();
}

/// What can stand in a cell of a table.
std::string cell(const json& object, const char* key) {
  std::string found = text(object, key);
  const bool fits = std::none_of(found.begin(), found.end(), [](char c) {
    return c == '|' || (static_cast<unsigned char>(c) < 0x20);
  });
  if (!fits) refuse(key, object, "a text of one line without |");
  return found;
}

int64_t count(const json& object, const char* key, int64_t least) {
  const auto found = object.find(key);
  const bool whole = found != object.end() && found->is_number_integer() && *found >= least &&
                     *found <= kMostCount;
  if (!whole) {
    refuse(key, object, least > 0 ? "a whole number from 1 to 2^40" : "a whole number up to 2^40");
  }
  return found->get<int64_t>();
}

bool flag(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_boolean()) refuse(key, object, "true or false");
  return found->get<bool>();
}

/// What a timing may be: positive, and such that ratios and sums of a few are finite.
bool is_time(const json& value) { return value.is_number() && value > 1e-15 && value < 1e15; }

std::vector<double> times(const json& object, const char* key) {
  const auto found = object.find(key);
  const bool good = found != object.end() && found->is_array() && !found->empty() &&
                    std::all_of(found->begin(), found->end(), is_time);
  if (!good) refuse(key, object, "a list of seconds from 1e-15 to 1e15");
  return found->get<std::vector<double>>();
}

std::optional<double> size(const json& object, const char* key) {
  if (!object.contains(key)) return std::nullopt;
  const auto value = number(object, key);
  if (!value || *value < 0) refuse(key, object, "a finite number >= 0");
  return value;
}

void set(json& object, const char* key, const std::optional<double>& value) {
  if (value) object[key] = *value;
}

/// The list of that name, each entry read by `read`; errors say which entry.
template <typename Read>
void each(const json& content, const char* list, const Read& read) {
  const auto found = content.find(list);
  if (found == content.end() || !found->is_array()) refuse(list, content, "a list");
  for (size_t i = 0; i < found->size(); ++i) {
    try {
      read((*found)[i]);
    } catch (const std::exception& error) {
      throw std::runtime_error(fmt::format("{}[{}]: {}", list, i, error.what()));
    }
  }
}

json parsed(std::istream& file) {
  const auto shallow = [](int depth, json::parse_event_t, const json&) {
    if (depth <= kMostDepth) return true;
    throw std::runtime_error(fmt::format("nested more than {} deep", kMostDepth));
  };
  json content;
  try {
    content = json::parse(file, shallow);
  } catch (const json::parse_error& error) {
    throw std::runtime_error(fmt::format("no JSON from byte {} on", error.byte));
  } catch (const json::out_of_range&) {
    throw std::runtime_error("a number beyond what float64 holds");
  }
  if (member(content, "kind") != "rows") throw std::runtime_error("no benchmark with rows");
  if (member(content, "schema") != 1) refuse("schema", content, "1");
  return content;
}

BenchFile file_of(const json& content) {
  BenchFile result{member(content, "environment"), {}, {}, member(content, "ceilings")};
  if (!result.environment.is_object()) refuse("environment", content, "an object");
  if (result.environment.contains("cpu")) text(result.environment, "cpu");
  result.rows = bench_rows(content);
  if (!content.contains("left_out")) return result;
  each(content, "left_out", [&](const json& entry) {
    result.left_out.push_back(text(entry, "row") + ": " + text(entry, "reason"));
  });
  return result;
}

}  // namespace

std::string BenchRow::key() const {
  return fmt::format("{}{}/B:{}/H:{}/N:{}/d:{}{}/{}/threads:{}", name,
                     dtype == "float32" ? "" : "/" + dtype, B, H, N, d, causal ? "/causal" : "",
                     pass, threads);
}

double BenchRow::token_head_ns(double seconds) const {
  return 1e9 * seconds / (static_cast<double>(B) * static_cast<double>(H) * static_cast<double>(N));
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
  if (row.dtype != "float32") object["dtype"] = row.dtype;
  set(object, "flops", row.flops);
  set(object, "bytes", row.bytes);
  set(object, "roofline_s", row.roofline_s);
  set(object, "peak_bytes", row.peak_bytes);
}

void from_json(const json& object, BenchRow& row) {
  if (!object.is_object()) throw std::runtime_error("must be an object, got " + shown(object));
  row.name = cell(object, "operator");
  row.label = cell(object, "label");
  row.map = cell(object, "map");
  row.kind = cell(object, "kind");
  if (object.contains("dtype")) row.dtype = cell(object, "dtype");
  row.B = count(object, "B", 1);
  row.H = count(object, "H", 1);
  row.N = count(object, "N", 1);
  row.d = count(object, "d", 1);
  row.D = count(object, "D", 0);
  row.causal = flag(object, "causal");
  row.pass = cell(object, "pass");
  row.threads = count(object, "threads", 1);
  row.calls = count(object, "calls", 1);
  row.samples = times(object, "samples");
  row.flops = size(object, "flops");
  row.bytes = size(object, "bytes");
  row.roofline_s = size(object, "roofline_s");
  row.peak_bytes = size(object, "peak_bytes");
}

std::vector<BenchRow> bench_rows(const json& content) {
  std::vector<BenchRow> rows;
  std::set<std::string> keys;
  each(content, "rows", [&](const json& row) {
    rows.push_back(row.get<BenchRow>());
    const std::string key = rows.back().key();
    if (!keys.insert(key).second) throw std::runtime_error(key + " stands twice");
  });
  return rows;
}

BenchFile read_bench_file(const std::filesystem::path& path) {
  const auto refused = [&](const std::string& why) {
    return std::runtime_error(fmt::format("{}: {}; {}", path.string(), why, kCure));
  };
  if (std::filesystem::is_directory(path)) throw refused("a folder, no file");
  std::ifstream file(path);
  if (!file) throw refused("no such file");
  try {
    return file_of(parsed(file));
  } catch (const std::exception& error) {
    throw refused(error.what());
  }
}

}  // namespace luna::reports
