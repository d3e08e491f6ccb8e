// `luna`: runs experiments, times operators, writes reports. Exit code 0, 1 for failures, 2 for
// usage and what another process holds, 3 for a device that is not there, 130 after Ctrl-C or "no".
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <new>
#include <stdexcept>
#include <string>

#include "experiments/config/options.h"
#include "experiments/runner/command_line.h"
#include "experiments/runner/schedule.h"
#include "runtime/io/locked_file.h"

namespace luna::experiments {
namespace {

enum ExitCode { kFailure = 1, kUsage = 2, kInterrupted = 130 };

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

/// What was printed may still be in stdio's buffers, or lost, as on a full disk.
int printed(int code) {
  std::cout.flush();
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    throw std::runtime_error(
        "standard output could not be written; see whether its disk is full, or whether it is "
        "closed");
  }
  return code;
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
    return printed(run_command_line(count, arguments));
  } catch (const UsageError& error) {
    return fail(kUsage, error);
  } catch (const luna::io::InUse& error) {
    return fail(kUsage, error);
  } catch (const Interrupted& error) {
    return fail(kInterrupted, error);
  } catch (const std::exception& error) {
    return fail(kFailure, error);
  }
}
