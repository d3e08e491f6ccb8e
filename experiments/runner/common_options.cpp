#include "experiments/runner/common_options.h"

#include "experiments/runner/build_paths.h"
#include "experiments/runner/plan.h"
#include "experiments/runner/schedule.h"

namespace luna::experiments {

CLI::Validator in_range(double least, double most) {
  return {[=](const std::string& text) { return check_real(text, least, most); },
          fmt::format("from {:g} to {:g}", least, most)};
}

Check whole(int64_t least, int64_t most) {
  return [=](const std::string& text) { return check_whole(text, least, most); };
}

void add_jobs(CLI::App& app, int& jobs, const std::string& help) {
  app.add_option("--jobs", jobs, help)
      ->capture_default_str()
      ->check(CLI::Validator(whole(1, 1024), "from 1 to 1024"));
}

CLI::Option* add_path(CLI::App& app, const std::string& name, std::filesystem::path& path,
                      const std::string& help) {
  return app.add_option(name, path, help)->check(CLI::Validator(check_path, ""));
}

void add_only(CLI::App& app, std::string& part, const std::string& help) {
  app.add_option("--only", part, help)->check(CLI::Validator(check_part, ""));
}

void add_results(CLI::App& app, Places& places) {
  add_path(app, "--results", places.results, "folder of results")->capture_default_str();
}

void add_data(CLI::App& app, Places& places) {
  add_path(app, "--data", places.data, "folder of data sets")->capture_default_str();
}

void add_config(CLI::App& app, Places& places) {
  places.config = kTiersFile;
  app.add_option("--config", places.config, "tiers file; default: experiments/lra/tiers.toml")
      ->check(CLI::Validator(check_file, ""));
}

void add_tier(CLI::App& app, Places& places) {
  app.add_option("--tier", places.tier, "quick, cpu, paper or paper-skyformer")
      ->capture_default_str()
      ->check(CLI::Validator(check_tier_name, ""));
  add_config(app, places);
  app.callback([&places] { check_tier(places.config, places.tier); });
}

void add_cells(CLI::App& app, CellsOptions& options) {
  add_tier(app, options.places);
  add_results(app, options.places);
  add_data(app, options.places);
  add_list(app, "--only", options.only, "experiment or experiment/attention, several by comma");
  options.jobs = usual_jobs();
  add_jobs(app, options.jobs, "cells side by side, one thread each");
}

void add_device(CLI::App& app, std::string& device) {
  app.add_option("--device", device, "cpu or cuda")
      ->capture_default_str()
      ->check(CLI::IsMember({"cpu", "cuda"}));
}

}  // namespace luna::experiments
