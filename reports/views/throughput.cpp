#include <fmt/format.h>

#include "reports/views/format.h"
#include "reports/views/views.h"

namespace luna::reports {
namespace {

using kainjow::mustache::object;
using nlohmann::json;

/// Seconds of an operator's pass; 0 where it was not timed.
double seconds(const json& size, const std::string& name, const char* pass, const char* statistic) {
  for (const json& entry : size.at("operators")) {
    if (entry.at("name") == name && entry.contains(pass))
      return entry.at(pass).at(statistic).get<double>();
  }
  return 0;
}

std::string times_faster(double peer, double own) {
  return peer > 0 && own > 0 ? ratio(peer / own) : kNone;
}

View pass_row(const json& size, const json& entry, const char* pass) {
  const std::string name = entry.at("name");
  const double tokens = size.at("B").get<double>() * size.at("N").get<double>();
  const double best = entry.at(pass).at("min_s").get<double>();
  const double median = entry.at(pass).at("median_s").get<double>();
  return object{{"operator", entry.at("label").get<std::string>()},
                {"milliseconds", fmt::format("{:.2f}", 1e3 * best)},
                {"median_milliseconds", fmt::format("{:.2f}", 1e3 * median)},
                {"ns_token_head", rounded(1e9 * best / (tokens * size.at("H").get<double>()))},
                {"tokens_per_second", rounded(tokens / best)},
                {"vs_eager", times_faster(seconds(size, "listing1", pass, "min_s"), best)},
                {"vs_sdpa", times_faster(seconds(size, "sdpa", pass, "min_s"), best)}};
}

View pass_view(const json& size, const char* pass, const std::string& title) {
  View rows(View::type::list);
  for (const json& entry : size.at("operators")) {
    if (entry.contains(pass)) rows << pass_row(size, entry, pass);
  }
  return object{{"pass", title}, {"pass_rows", rows}};
}

View size_view(const json& size) {
  View passes(View::type::list);
  passes << pass_view(size, "forward", "forward")
         << pass_view(size, "forward_backward", "forward + backward");
  return object{
      {"size_title", fmt::format("Size {}: B {}, H {}, N {}, d {}, m {}, L {}, hid {}, float32, {}",
                                 size.at("name").get<std::string>(), size.at("B").dump(),
                                 size.at("H").dump(), size.at("N").dump(), size.at("d").dump(),
                                 size.at("m").dump(), size.at("L").dump(), size.at("hid").dump(),
                                 threads(size.at("threads").get<int64_t>()))},
      {"passes", passes}};
}

View gate_view(const json& bench) {
  View rows(View::type::list);
  for (const json& entry : bench.at("gate")) {
    rows << View(object{{"gate_operator", entry.at("operator").get<std::string>()},
                        {"gate_size", entry.at("size").get<std::string>()},
                        {"gate_error", compact(entry.at("max_error").get<double>())},
                        {"gate_limit", compact(entry.at("limit").get<double>())}});
  }
  return rows;
}

}  // namespace

View throughput_view(const Results& results) {
  if (!results.bench.is_object()) return View(false);
  try {
    View sizes(View::type::list);
    for (const json& size : results.bench.at("sizes")) sizes << size_view(size);
    return object{{"method", results.bench.at("method").get<std::string>()},
                  {"cpu", results.bench.at("environment").at("cpu").get<std::string>()},
                  {"isa", results.bench.at("environment").at("isa").get<std::string>()},
                  {"gate_rows", gate_view(results.bench)},
                  {"sizes", sizes}};
  } catch (const json::exception&) {
    return View(false);
  }
}

}  // namespace luna::reports
