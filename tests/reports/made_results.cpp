#include "tests/reports/made_results.h"

#include <fmt/format.h>

#include <cmath>

namespace luna::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kSteps = 1200;

/// Channels rise at different knots; training doubles the slopes.
json psi_samples() {
  json t = json::array(), init = json::array(), final = json::array();
  for (int i = 0; i <= 40; ++i) {
    const double x = -4 + 0.2 * i;
    t.push_back(x);
    json before = json::array(), after = json::array();
    for (int l = 0; l < 8; ++l) {
      before.push_back(std::max(0.0, 0.1 * (l + 1) * (x - l + 4)));
      after.push_back(std::max(0.0, 0.2 * (l + 1) * (x - l + 4)));
    }
    init.push_back(before);
    final.push_back(after);
  }
  return {{"t", t}, {"layers", json::array({{{"init", init}, {"final", final}}})}};
}

json pass(double seconds) {
  return {{"min_s", seconds}, {"median_s", 1.1 * seconds}, {"repeats", 5}};
}

json bench_operator(const std::string& name, const std::string& label, double forward,
                    double both) {
  return {{"name", name},
          {"label", label},
          {"forward", pass(forward)},
          {"forward_backward", pass(both)}};
}

/// What `luna tune` measured, at 1e-3 and 4e-3; nothing at the latter where `high` is negative.
json search(double low, double high) {
  const json last = high < 0 ? json{{"lr", 4e-3}, {"failed", "loss is nan at step 7"}}
                             : json{{"lr", 4e-3}, {"validation_accuracy", high}, {"seconds", 9.5}};
  const json first = {{"lr", 1e-3}, {"validation_accuracy", low}, {"seconds", 9.5}};
  return {{"seed", 100},
          {"steps", kSteps},
          {"chosen", low >= high ? 1e-3 : 4e-3},
          {"grid", json::array({first, last})}};
}

json made_plan() {
  const json image = {
      {"name", "image"},
      {"attentions", {"softmax", "luna", "mean"}},
      {"seeds", {0}},
      {"learning_rates", {{"softmax", search(0.75, 0.78)}, {"luna", search(0.72, 0.7)}}}};
  const json recall = {
      {"name", "recall"},
      {"attentions", {"softmax", "elu", "relu", "performer", "luna", "luna-eps", "mean"}},
      {"seeds", {0, 1}},
      {"learning_rates",
       {{"softmax", search(1, 1)},
        {"elu", search(0.924, 0.945)},
        {"relu", search(0.764, 0.729)},
        {"performer", search(0.757, -1)},
        {"luna", search(0.78, 0.21)},
        {"luna-eps", search(0.995, 0.93)},
        {"mean", search(0.083, 0.079)}}}};
  return {{"experiments", {image, recall}}};
}

}  // namespace

void write_cell(const fs::path& results, const std::string& experiment,
                const std::string& attention, int seed, double accuracy) {
  const fs::path folder = results / "quick" / experiment / attention / fmt::format("seed_{}", seed);
  json done = {
      {"test_accuracy", accuracy}, {"validation_accuracy", accuracy},
      {"steps", kSteps},           {"seconds", 12.5},
      {"parameters", 71234},       {"majority_class", 0.1},
      {"test_examples", 2000},     {"data", {{"source", "made by a test"}, {"sha256", "00ff"}}}};
  if (attention.rfind("luna", 0) == 0) done["psi"] = psi_samples();
  std::string metrics;
  for (int step = 10; step <= kSteps; step += 10) {
    const double part = 1.0 - std::exp(-5.0 * step / kSteps);
    metrics += json{{"step", step},
                    {"split", "train"},
                    {"loss", 3.5 * (1 - part * accuracy)},
                    {"lr", 1e-3},
                    {"grad_norm", attention == "luna" ? 50.0 + step : 1.0}}
                   .dump() +
               "\n";
    if (step % 100 != 0) continue;
    metrics +=
        json{{"step", step},
             {"split", "validation"},
             {"loss", 1.0},
             {"accuracy", accuracy * part},
             {"min_denominator", attention == "luna" ? std::max(0.0, 0.1 - step * 2e-4) : 0.3},
             {"dead_features", 0.125}}
            .dump() +
        "\n";
  }
  write_text(folder / "metrics.jsonl", metrics);
  write_text(folder / "env.json", json{{"cpu", "Test CPU"},
                                       {"threads", 1},
                                       {"torch", "2.11.0"},
                                       {"commit", "abc1234"},
                                       {"library_sha256", "00ff"}}
                                      .dump());
  write_text(folder / "DONE", done.dump());
}

void write_tier(const fs::path& results) {
  const std::vector<std::pair<std::string, double>> recall = {
      {"softmax", 1.0}, {"elu", 0.954},    {"relu", 0.73}, {"performer", 0.757},
      {"luna", 0.19},   {"luna-eps", 0.9}, {"mean", 0.06}};
  for (const auto& [attention, accuracy] : recall) {
    write_cell(results, "recall", attention, 0, accuracy);
    write_cell(results, "recall", attention, 1, accuracy * 0.95);
  }
  write_cell(results, "image", "softmax", 0, 0.784);
  write_cell(results, "image", "luna", 0, 0.71);
  write_cell(results, "image", "mean", 0, 0.703);
  const json bench = {
      {"method", "Made by a test."},
      {"environment", {{"cpu", "Test CPU"}, {"isa", "AVX-512"}, {"library_sha256", "11ff"}}},
      {"gate",
       json::array(
           {{{"operator", "luna"}, {"size", "A"}, {"max_error", 1.5e-7}, {"limit", 3e-6}}})},
      {"sizes",
       json::array({{{"name", "A"},
                     {"threads", 1},
                     {"B", 4},
                     {"H", 2},
                     {"N", 2048},
                     {"d", 32},
                     {"m", 16},
                     {"L", 8},
                     {"hid", 64},
                     {"operators",
                      json::array({bench_operator("luna", "LUNA, fused", 0.002, 0.008),
                                   bench_operator("listing1", "LUNA, eager Listing 1", 0.16, 0.44),
                                   bench_operator("sdpa", "softmax (SDPA)", 0.033, 0.15)})}}})}};
  write_text(results / "quick" / "bench.json", bench.dump());
  write_text(results / "quick" / "plan.json", made_plan().dump());
}

}  // namespace luna::testing
