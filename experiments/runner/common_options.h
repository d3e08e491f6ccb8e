// Options that several commands have, in CLI11, and what they accept. Included where commands are
// defined alone: nothing else takes as long to compile.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "experiments/config/options.h"
#include "experiments/runner/commands.h"
#include "experiments/runner/option_checks.h"

namespace luna::experiments {

/// What is wrong with a text, or "".
using Check = std::function<std::string(const std::string&)>;

Check whole(int64_t least, int64_t most);
CLI::Validator in_range(double least, double most);

/// --jobs, cells or compilations side by side.
void add_jobs(CLI::App& app, int& jobs, const std::string& help);
CLI::Option* add_path(CLI::App& app, const std::string& name, std::filesystem::path& path,
                      const std::string& help);
/// --only, part of the names of what is tested or tuned.
void add_only(CLI::App& app, std::string& part, const std::string& help);
void add_results(CLI::App& app, Places& places);
void add_data(CLI::App& app, Places& places);
/// The checkout's own configurations, whatever the working directory.
void add_config(CLI::App& app, Places& places);
/// --tier and --config. A tier that the file lacks is refused before the command does anything.
void add_tier(CLI::App& app, Places& places);
void add_device(CLI::App& app, std::string& device);

/// Entries by comma, each accepted by `check`, none of them empty.
template <typename T>
void add_list(
    CLI::App& app, const std::string& name, std::vector<T>& list, const std::string& help,
    const Check& check = [](const std::string&) { return ""; }) {
  const auto read = [&list, name, check](const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
      for (const std::string& entry : entries_of(text)) {
        const std::string wrong =
            entry.empty() ? fmt::format("'{}' has an empty entry", text) : check(entry);
        if (!wrong.empty()) throw CLI::ValidationError(name, wrong);
        if (!CLI::detail::lexical_cast(entry, list.emplace_back())) {
          throw CLI::ValidationError(name, fmt::format("'{}' cannot be read", entry));
        }
      }
    }
  };
  app.add_option_function<std::vector<std::string>>(name, read, help)
      ->type_name(CLI::detail::type_name<T>());
}

/// Everything that chooses and places cells.
void add_cells(CLI::App& app, CellsOptions& options);

}  // namespace luna::experiments
