// Commands and options with their help.
#include "experiments/runner/command_line.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <thread>

#include "experiments/config/options.h"
#include "experiments/runner/build_paths.h"
#include "experiments/runner/commands.h"
#include "experiments/runner/common_options.h"

namespace luna::experiments {
namespace {

struct Command {
  CLI::App* app;
  std::function<int()> run;
};

template <class Options>
Command command(CLI::App* app, const std::shared_ptr<Options>& options) {
  return {app, [options] { return run(*options); }};
}

Command run_command(CLI::App& root) {
  const auto options = std::make_shared<RunOptions>();
  CLI::App* app = root.add_subcommand("run", "train every cell of a tier; finished ones are kept");
  add_cells(*app, *options);
  add_list(*app, "--seeds", options->seeds, "seeds in place of the configuration's, by comma",
           whole(0, int64_t{1} << 31));
  app->add_flag("--dry-run", options->dry_run, "print what would run, and stop");
  app->add_flag("--yes", options->yes,
                "begin a run of more than an hour unasked; without a terminal it needs this");
  return command(app, options);
}

Command tune_command(CLI::App& root) {
  const auto options = std::make_shared<TuneOptions>();
  CLI::App* app = root.add_subcommand("tune", "choose learning rates on validation (slow)");
  add_cells(*app, *options);
  return command(app, options);
}

Command cell_command(CLI::App& root) {
  const auto options = std::make_shared<CellOptions>();
  CLI::App* app = root.add_subcommand("cell", "train one cell in its folder")->group("");
  app->add_option("folder", options->folder, "folder of the cell")->required();
  app->add_option("--json", options->text,
                  "configuration; default: config.resolved.toml in the folder");
  add_data(*app, options->places);
  return command(app, options);
}

Command bench_command(CLI::App& root) {
  const auto options = std::make_shared<BenchCommandOptions>();
  CLI::App* app =
      root.add_subcommand("bench", "time every operator against torch's own; run alone");
  add_tier(*app, options->places);
  add_results(*app, options->places);
  add_list(*app, "--sizes", options->sizes,
           "by comma: A (N 2048, d 32), B (N 4096, d 64); with --full also decode (one token of "
           "512 sequences, H 8, d 64) and numbers of tokens such as 64 or 4k, 1 to 16384k, at d "
           "32, 64 and 128; on CUDA at d 64, 4k:32 and 4k:128 at others, B N 65536, H 16; "
           "default: A and B, with --full also decode and 64 to 64k, on CUDA decode and 64 to 64k, "
           "at d 32, 64 and 128");
  add_list(*app, "--threads", options->threads,
           "numbers of threads, by comma; default: 1, and 2 where there are two cores",
           whole(1, 1024));
  app->add_option(
         "--seconds", options->seconds,
         "time for everything together; at least the gate and a few calls of every operator, "
         "which are said first; on CUDA what it is too short for is left out; default: 60")
      ->check(in_range(0.01, 1e5));
  add_path(*app, "--out", options->out,
           "file; default: bench.json, with --full bench-full.json, in the tier's results");
  add_device(*app, options->device);
  app->add_flag("--force", options->force,
                "time again even if the file is there; on CUDA, on a busy or noisy GPU too");
  app->add_flag("--environment", options->environment, "print the machine as JSON, and stop");
  app->add_flag("--model", options->model,
                "with --full or on CUDA: print the machine's ceilings as JSON, and what every row "
                "has to do at the least, and stop");
  const std::string full = "The full benchmark";
  app->add_flag("--full", options->full,
                "every operator and peer over all sizes, causal and not, forward and training; "
                "goes on where it was interrupted")
      ->group(full);
  app->add_option(
         "--minutes", options->minutes,
         "with --full: time for everything together; default: 30. What is not reached, the "
         "same command goes on with")
      ->check(in_range(0.001, 1e4))
      ->group(full);
  app->add_option("--filter", options->filter,
                  "also on CUDA: regular expression on rows such as "
                  "luna/B:1/H:8/N:4096/d:64/causal/forward/threads:1")
      ->group(full);
  app->add_option("--call-seconds", options->call_seconds,
                  "also on CUDA: rows whose call would take longer are left out; default: 2, "
                  "on CUDA 0.5")
      ->check(in_range(0.001, 1e4))
      ->group(full);
  return command(app, options);
}

Command selftest_command(CLI::App& root) {
  const auto options = std::make_shared<SelftestOptions>();
  CLI::App* app =
      root.add_subcommand("selftest", "every map and mode that is built, against float64");
  add_device(*app, options->device);
  add_only(*app, options->only, "maps with this in their name");
  return command(app, options);
}

Command autotune_command(CLI::App& root) {
  const auto options = std::make_shared<AutotuneOptions>();
  options->jobs = static_cast<int>(std::thread::hardware_concurrency());
  options->schedules = kSchedules;
  options->tunables = kTunables;
  options->generators = kGenerators;
  options->compiler = kCompiler;
  options->predict = kPredict;
  options->ptxas = kPtxas;
  CLI::App* app = root.add_subcommand(
      "autotune", "find the fastest schedules on this machine, for the next build; run alone");
  add_device(*app, options->device);
  app->add_option("--minutes", options->minutes,
                  "time for everything together, at most half of it to compile; the same command "
                  "goes on with the rest. Without a GPU --device cuda has all of it to compile")
      ->capture_default_str()
      ->check(in_range(0.01, 1e4));
  add_jobs(*app, options->jobs, "compilations side by side");
  add_only(*app, options->only, "pipelines with this in their name");
  app->add_option("--architecture", options->architecture,
                  "what to predict for without a GPU: sm_80 ..; default: the GPU's, else sm_90");
  app->add_flag("--force", options->force, "on a busy GPU, too");
  add_path(*app, "--folder", options->folder, "folder of candidates and of the run's state")
      ->capture_default_str();
  add_path(*app, "--schedules", options->schedules,
           "folder of schedules; default: generators/schedules of the checkout");
  return command(app, options);
}

Command compare_command(CLI::App& root) {
  const auto options = std::make_shared<CompareOptions>();
  CLI::App* app = root.add_subcommand(
      "compare", "two files of bench --full row by row: which are faster or slower, and how sure");
  app->add_option("old", options->before, "file")->required();
  app->add_option("new", options->after, "file")->required();
  app->add_flag("--force", options->force, "compare files of different machines, too");
  app->add_option("--fail-on-slower", options->fail_on_slower,
                  "exit code 1 where a row is significantly slower by more than so many percent")
      ->check(in_range(0.0, 1e6));
  return command(app, options);
}

Command table_command(CLI::App& root) {
  const auto options = std::make_shared<TableOptions>();
  CLI::App* app = root.add_subcommand("table", "print a file of bench --full as markdown");
  app->add_option("file", options->file, "file")->required();
  return command(app, options);
}

Command report_command(CLI::App& root) {
  const auto options = std::make_shared<PageOptions>();
  CLI::App* app = root.add_subcommand("report", "write report.md and report.html from results");
  add_tier(*app, options->places);
  add_results(*app, options->places);
  add_path(*app, "--out", options->out, "folder of the report")->capture_default_str();
  return command(app, options);
}

Command list_command(CLI::App& root) {
  const auto options = std::make_shared<ListOptions>();
  CLI::App* app = root.add_subcommand("list",
                                      "what can be named: attentions, feature-maps, tasks, "
                                      "experiments");
  app->add_option("kind", options->kind, "attentions, feature-maps, tasks or experiments");
  add_config(*app, options->places);
  return command(app, options);
}

Command data_command(CLI::App& root) {
  const auto options = std::make_shared<DataOptions>();
  CLI::App* app = root.add_subcommand("data", "make or verify data sets");
  app->require_subcommand(0, 1);
  CLI::App* make = app->add_subcommand("make", "write the data sets that are not there");
  CLI::App* verify = app->add_subcommand("verify", "check files against their checksums");
  for (CLI::App* action : {make, verify}) {
    add_tier(*action, options->places);
    add_data(*action, options->places);
    add_list(*action, "--task", options->tasks, "tasks with their default options, by comma");
  }
  return {app, [options, app] {
            if (app->get_subcommands().empty()) throw UsageError("name a command: make, verify");
            options->verify = app->got_subcommand("verify");
            return run(*options);
          }};
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_group().empty()) names.push_back(command->get_name());
  }
  return names;
}

/// A first word that is no command and no option, before CLI11 complains about something else.
void check_first(const CLI::App& app, int count, char** arguments) {
  const std::string given = count > 1 ? arguments[1] : "";
  if (given.empty()) {
    throw UsageError(fmt::format("name a command: {}", fmt::join(command_names(app), ", ")));
  }
  if (given[0] == '-') {
    if (app.get_option_no_throw(given) != nullptr) return;
    throw UsageError(unknown_name("option", given, option_names(app)));
  }
  const auto named = [&](const CLI::App* command) { return command->get_name() == given; };
  if (!app.get_subcommands(named).empty()) return;
  throw UsageError(unknown_name("command", given, command_names(app)));
}

/// What was not understood, by the app or by a command given below it.
void check_extras(const CLI::App& app) {
  for (const CLI::App* command : app.get_subcommands()) check_extras(*command);
  const std::vector<std::string> commands = command_names(app);
  for (const std::string& extra : app.remaining()) {
    if (!commands.empty() && app.get_subcommands().empty() && extra[0] != '-') {
      throw UsageError(unknown_name("command", extra, commands));
    }
    if (extra.rfind("--", 0) != 0) throw UsageError("unexpected argument '" + extra + "'");
    throw UsageError(unknown_name("option", extra.substr(0, extra.find('=')), option_names(app)));
  }
}

}  // namespace

int run_command_line(int count, char** arguments) {
  CLI::App app("LUNA: linear attention with learned kernels. Experiments, timing, reports.",
               "luna");
  app.set_version_flag("--version", LUNA_VERSION);
  app.require_subcommand(1);
  app.allow_extras();  // of every command below, for check_extras()
  const std::vector<Command> commands = {
      run_command(app),     bench_command(app), selftest_command(app), autotune_command(app),
      compare_command(app), table_command(app), report_command(app),   list_command(app),
      data_command(app),    tune_command(app),  cell_command(app)};
  check_first(app, count, arguments);
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    throw UsageError(error.what());
  }
  const auto given = std::find_if(commands.begin(), commands.end(),
                                  [](const Command& command) { return command.app->parsed(); });
  check_extras(app);
  return given->run();
}

}  // namespace luna::experiments
