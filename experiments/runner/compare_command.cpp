// `luna compare` and `luna table`: files of the full benchmark in, text out.
#include <fmt/format.h>

#include "experiments/config/options.h"
#include "experiments/runner/commands.h"
#include "reports/bench/compare.h"
#include "reports/bench/table.h"

namespace luna::experiments {
namespace {

reports::BenchFile read(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) throw UsageError(path.string() + ": no such file");
  return reports::read_bench_file(path);
}

}  // namespace

int run(const CompareOptions& options) {
  const reports::BenchFile before = read(options.before), after = read(options.after);
  const std::string difference = reports::machine_difference(before, after);
  if (!difference.empty() && !options.force) {
    throw UsageError("the files are of different machines (" + difference +
                     "); --force compares them nevertheless");
  }
  if (!difference.empty()) fmt::print("different machines: {}\n", difference);
  const reports::Comparison comparison = reports::compare(before, after);
  if (comparison.rows.empty()) {
    throw UsageError(fmt::format(
        "{} (rows: {}) and {} (rows: {}) have no row in common, so there is nothing to compare; "
        "time the same operators, sizes and threads",
        options.before.string(), before.rows.size(), options.after.string(), after.rows.size()));
  }
  fmt::print("{}", reports::comparison_text(comparison));
  const bool slower =
      options.fail_on_slower && reports::any_slower(comparison, *options.fail_on_slower);
  return slower ? 1 : 0;
}

int run(const TableOptions& options) {
  fmt::print("{}", reports::bench_table(read(options.file)));
  return 0;
}

}  // namespace luna::experiments
