// Trains cells side by side, one process and one thread each, longest first. Tested in
// tests/experiments/runner.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "experiments/runner/cells.h"

namespace luna::experiments {

/// Ctrl-C or SIGTERM arrived; every cell was stopped and goes on from its checkpoint next time.
struct Interrupted : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Failure {
  std::string cell, reason;
};

struct ScheduleOptions {
  int jobs = 2;
  std::filesystem::path data;
};

/// min(2, cores).
int usual_jobs();

/// Trains the cells that are not done, writes progress to stdout and returns the failed ones.
std::vector<Failure> train_cells(const std::vector<Cell>& cells, const ScheduleOptions& options);

/// Prints one line a failure; the exit code of the command.
int report_failures(const std::vector<Failure>& failures);

}  // namespace luna::experiments
