#include <CLI/CLI.hpp>

#include "experiments/runner/commands.h"

namespace luna::experiments {

// The checkout's own configurations, whatever the working directory.
Places::Places() : config(LUNA_TIERS_FILE) {}

void Places::add_tier(CLI::App& app) {
  app.add_option("--tier", tier, "quick, cpu, paper or paper-skyformer")->capture_default_str();
}

void Places::add_results(CLI::App& app) {
  app.add_option("--results", results, "folder of results")->capture_default_str();
}

void Places::add_data(CLI::App& app) {
  app.add_option("--data", data, "folder of data sets")->capture_default_str();
}

void Places::add_config(CLI::App& app) {
  app.add_option("--config", config, "tiers file; default: experiments/lra/tiers.toml");
}

}  // namespace luna::experiments
