#include <CLI/CLI.hpp>

#include "experiments/runner/commands.h"
#include "experiments/runner/schedule.h"

namespace luna::experiments {

// The checkout's own configurations, whatever the working directory.
Places::Places() : config(LUNA_TIERS_FILE) {}

namespace {

/// A tier's name is that of its folder of results.
std::string check_tier(const std::string& name) {
  const bool plain = !name.empty() && name[0] != '.' && name.find('/') == std::string::npos;
  return plain ? "" : "'" + name + "' is no name of a tier";
}

}  // namespace

void Places::add_tier(CLI::App& app) {
  app.add_option("--tier", tier, "quick, cpu, paper or paper-skyformer")
      ->capture_default_str()
      ->check(CLI::Validator(check_tier, ""));
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

CellsOptions::CellsOptions() : jobs(usual_jobs()) {}

void CellsOptions::add(CLI::App& app) {
  places.add_tier(app);
  places.add_config(app);
  places.add_results(app);
  places.add_data(app);
  app.add_option("--only", only, "experiment or experiment/attention, several by comma")
      ->delimiter(',');
  app.add_option("--jobs", jobs, "cells side by side, one thread each")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
}

}  // namespace luna::experiments
