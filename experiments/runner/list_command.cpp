// `luna list`: what can be named in configurations and on the command line.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "experiments/config/options.h"
#include "experiments/runner/commands.h"
#include "experiments/runner/plan.h"
#include "runtime/nn/attention.h"
#include "runtime/ops/fixed_maps.h"

namespace luna::experiments {
namespace {

void print_row(const std::string& name, const std::string& text) {
  fmt::print("  {:<16}{}\n", name, text);
}

void list_attentions(const Places&) {
  for (const auto& entry : nn::attention_registry()) print_row(entry.name, entry.description);
}

void list_tasks(const Places&) {
  for (const TaskEntry& entry : task_registry()) print_row(entry.name, entry.description);
}

/// "W [m, d] drawn, b [m] trained".
std::string params_text(const ops::FixedMap& map) {
  std::vector<std::string> params;
  for (const ops::MapParam& param : map.params(map.option.unset)) {
    params.push_back(fmt::format("{} {} {}", param.name, ops::shape_text(ops::shapes(param)),
                                 ops::kind_text(param.kind)));
  }
  return params.empty() ? "none" : fmt::format("{}", fmt::join(params, ", "));
}

void list_feature_maps(const Places&) {
  print_row(
      "luna",
      "phi = h(x)/sqrt(m) [psi_l(w_i x + b_i) + feature_eps] (LUNA, arXiv 2512.08061); D = m L; "
      "params: proj_weight [m, d] trained, proj_bias [m] trained, w1 [hid] or [L, hid] trained, b1 "
      "[hid] or [L, hid] trained, w2 [L, hid] trained, b2 [L] trained");
  for (const ops::FixedMap& map : ops::fixed_maps()) {
    const std::string names = ops::accepted_names(map);
    print_row(map.name,
              fmt::format("{} ({}); D = {}; params: {}{}", map.formula, map.source, map.features,
                          params_text(map), names == map.name ? "" : "; names: " + names));
  }
}

void list_experiments(const Places& places) {
  if (!std::filesystem::exists(places.config)) {  // as where the program alone was carried to
    return print_row("none", places.config.string() + " is not there; name a file with --config");
  }
  for (const auto& [name, tiers] : experiment_tiers(places.config)) {
    print_row(name, fmt::format("tiers {}", fmt::join(tiers, ", ")));
  }
}

struct Kind {
  const char* name;
  void (*list)(const Places&);
};

constexpr Kind kKinds[] = {{"attentions", list_attentions},
                           {"feature-maps", list_feature_maps},
                           {"tasks", list_tasks},
                           {"experiments", list_experiments}};

}  // namespace

int run(const ListOptions& options) {
  const std::string& wanted = options.kind;
  std::vector<std::string> known;
  bool found = wanted.empty();
  for (const Kind& kind : kKinds) {
    known.push_back(kind.name);
    found = found || wanted == kind.name;
  }
  if (!found) throw UsageError(unknown_name("list", wanted, known));
  for (const Kind& kind : kKinds) {
    if (!wanted.empty() && wanted != kind.name) continue;
    fmt::print("{}:\n", kind.name);
    kind.list(options.places);
  }
  return 0;
}

}  // namespace luna::experiments
