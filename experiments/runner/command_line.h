// The command line of `luna`. Tested in tests/experiments/runner.
#pragma once

namespace luna::experiments {

/// Runs the command that is given; returns the exit code. Throws UsageError naming the nearest for
/// unknown commands and options, and whatever the command throws.
int run_command_line(int count, char** arguments);

}  // namespace luna::experiments
