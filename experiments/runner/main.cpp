// `luna`: runs experiments, times operators, writes reports. Exit code 0, 1 for failures, 2 for
// usage, 3 for what is not built yet, 130 after Ctrl-C or "no".
#include <exception>
#include <iostream>
#include <string>

#include "experiments/config/options.h"
#include "experiments/runner/command_line.h"
#include "experiments/runner/schedule.h"

namespace luna::experiments {
namespace {

enum ExitCode { kFailure = 1, kUsage = 2, kInterrupted = 130 };

/// torch's errors carry a stack trace after the first line.
std::string first_line(const std::exception& error) {
  const std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

int fail(int code, const std::exception& error) {
  std::cerr << "luna: " << first_line(error) << std::endl;
  return code;
}

}  // namespace
}  // namespace luna::experiments

int main(int count, char** arguments) {
  using namespace luna::experiments;
  try {
    return run_command_line(count, arguments);
  } catch (const UsageError& error) {
    return fail(kUsage, error);
  } catch (const Interrupted& error) {
    return fail(kInterrupted, error);
  } catch (const std::exception& error) {
    return fail(kFailure, error);
  }
}
