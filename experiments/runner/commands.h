// The subcommands of `luna`, one file each. add_*() declares options on the application; run() is
// called after parsing, if the command was given, and returns the exit code.
#pragma once

#include <CLI/App.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace luna::experiments {

struct Command {
  CLI::App* app;
  std::function<int()> run;
};

/// Options that several commands share.
struct Places {
  std::string tier = "quick";
  std::filesystem::path results = "results";
  std::filesystem::path data = "data";
  std::filesystem::path config;  ///< tiers file; empty: experiments/lra/tiers.toml

  Places();
  void add_tier(CLI::App& app);
  void add_results(CLI::App& app);
  void add_data(CLI::App& app);
  void add_config(CLI::App& app);
};

/// Options of the commands that train the cells of a tier.
struct CellsOptions {
  Places places;
  std::vector<std::string> only;  ///< for select(); empty: all
  int jobs;                       ///< cells side by side

  CellsOptions();
  void add(CLI::App& app);
};

Command add_run(CLI::App& root);
Command add_cell(CLI::App& root);
Command add_tune(CLI::App& root);
Command add_bench(CLI::App& root);
Command add_report(CLI::App& root);
Command add_list(CLI::App& root);
Command add_data(CLI::App& root);

}  // namespace luna::experiments
