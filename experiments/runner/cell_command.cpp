// `luna cell`: trains one cell in this process; started by `luna run`, hidden from the help.
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <malloc.h>

#include <chrono>
#include <climits>

#include "experiments/config/options.h"
#include "experiments/config/toml_file.h"
#include "experiments/runner/commands.h"
#include "experiments/train/cell.h"

namespace luna::experiments {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr auto kSayEvery = std::chrono::milliseconds(100);

json configuration(const CellOptions& options) {
  if (options.text.empty()) return read_toml(options.folder / "config.resolved.toml");
  json object = json::parse(options.text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) throw UsageError("--json is not a JSON object");
  return object;
}

/// One JSON line on stdout at most every kSayEvery; `luna run` shows the last.
class Speaker {
 public:
  void operator()(const CellProgress& progress) {
    const auto now = std::chrono::steady_clock::now();
    if (now - said_at_ < kSayEvery) return;
    said_at_ = now;
    fmt::print("{}\n", json{{"step", progress.step},
                            {"steps", progress.steps},
                            {"loss", progress.loss},
                            {"seconds_per_step", progress.seconds_per_step}}
                           .dump());
    std::fflush(stdout);
  }

 private:
  std::chrono::steady_clock::time_point said_at_{};
};

/// Activations of a megabyte come and go every step: kept in the heap, they are not mapped, faulted
/// in and unmapped each time, which takes a tenth of a cell's processor time.
void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most that glibc accepts
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
}

}  // namespace

int run(const CellOptions& options) {
  keep_freed_memory();
  at::set_num_threads(1);
  train_cell(cell_from_json(configuration(options)), options.folder, {options.places.data},
             Speaker());
  return 0;
}

}  // namespace luna::experiments
