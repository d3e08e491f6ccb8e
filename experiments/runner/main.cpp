// `luna`: runs experiments, times operators, writes reports. Exit code 0, 1 for failures, 2 for
// usage, 3 for what is not built yet, 130 after Ctrl-C or "no".
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <iostream>
#include <new>
#include <vector>

#include "experiments/config/options.h"
#include "experiments/runner/commands.h"
#include "experiments/runner/schedule.h"

namespace luna::experiments {
namespace {

enum ExitCode { kFailure = 1, kUsage = 2, kInterrupted = 130 };

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

/// A first word that is no command, before CLI11 complains about something else.
void check_command(const std::vector<Command>& commands, int count, char** arguments) {
  if (count > 1 && arguments[1][0] == '-') return;
  const std::string given = count > 1 ? arguments[1] : "";
  std::vector<std::string> names;
  for (const Command& command : commands) {
    if (command.app->get_name() == given) return;
    if (!command.app->get_group().empty()) names.push_back(command.app->get_name());
  }
  if (given.empty()) throw UsageError(fmt::format("name a command: {}", fmt::join(names, ", ")));
  throw UsageError(unknown_name("command", given, names));
}

void check_extras(const CLI::App& app) {
  for (const std::string& extra : app.remaining()) {
    if (extra.rfind("--", 0) != 0) throw UsageError("unexpected argument '" + extra + "'");
    throw UsageError(unknown_name("option", extra.substr(0, extra.find('=')), option_names(app)));
  }
}

/// torch's errors carry a stack trace after the first line, and those of its allocator no cure.
std::string one_line(const std::exception& error) {
  const std::string text = error.what();
  const size_t memory = text.find("can't allocate memory");
  const bool allocator = memory != std::string::npos;
  if (allocator || dynamic_cast<const std::bad_alloc*>(&error)) {
    const size_t end = text.find_first_of(".\n", memory);
    return fmt::format("{}; lower train.batch, model.width or the task's length",
                       allocator ? text.substr(memory, end - memory) : "out of memory");
  }
  return text.substr(0, text.find('\n'));
}

int run(int count, char** arguments) {
  CLI::App app("LUNA: linear attention with learned kernels. Experiments, timing, reports.",
               "luna");
  app.set_version_flag("--version", LUNA_VERSION);
  app.require_subcommand(1);
  const std::vector<Command> commands = {add_run(app),  add_bench(app), add_report(app),
                                         add_list(app), add_data(app),  add_tune(app),
                                         add_cell(app)};
  check_command(commands, count, arguments);
  for (const Command& command : commands) command.app->allow_extras();
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    throw UsageError(error.what());
  }
  const auto given = std::find_if(commands.begin(), commands.end(),
                                  [](const Command& command) { return command.app->parsed(); });
  check_extras(*given->app);
  return given->run();
}

int fail(int code, const std::exception& error) {
  std::cerr << "luna: " << one_line(error) << std::endl;
  return code;
}

}  // namespace
}  // namespace luna::experiments

int main(int count, char** arguments) {
  using namespace luna::experiments;
  try {
    return run(count, arguments);
  } catch (const UsageError& error) {
    return fail(kUsage, error);
  } catch (const Interrupted& error) {
    return fail(kInterrupted, error);
  } catch (const std::exception& error) {
    return fail(kFailure, error);
  }
}
