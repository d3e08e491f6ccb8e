#include "experiments/runner/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace luna::experiments {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(200);
constexpr int kPercentALine = 5;

}  // namespace

void say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

std::string duration(double seconds) {
  if (seconds < 90) return fmt::format("{:.0f} s", seconds);
  if (seconds < 90 * 60) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

double Running::seconds_left() const {
  return seconds_per_step > 0 ? (steps - step) * seconds_per_step : seconds * (1 - share());
}

Progress::Progress(size_t cells, double seconds, int jobs)
    : cells_(cells), seconds_(seconds), jobs_(jobs), terminal_(isatty(STDOUT_FILENO)) {}

void Progress::finished(double seconds) {
  ++done_;
  seconds_done_ += seconds;
}

std::string Progress::line(const std::vector<Running>& running) const {
  double left = seconds_ - seconds_done_;
  std::string cells;
  for (const Running& cell : running) {
    left += cell.seconds_left() - cell.seconds;
    cells += fmt::format("  {} {}/{} loss {:.3f}", cell.name, cell.step, cell.steps, cell.loss);
  }
  return fmt::format("{}/{} cells, {} left{}", done_, cells_, duration(std::max(0.0, left) / jobs_),
                     cells);
}

void Progress::show(const std::vector<Running>& running) {
  const auto now = std::chrono::steady_clock::now();
  if (terminal_) {
    if (now - shown_at_ < kRedraw) return;
    fmt::print("\r\033[K{}", line(running));
  } else {
    double work = seconds_done_;
    for (const Running& cell : running) work += cell.share() * cell.seconds;
    const double share = seconds_ > 0 ? work / seconds_ : 1;
    const int percent = static_cast<int>(100 * share) / kPercentALine * kPercentALine;
    if (percent <= shown_percent_) return;
    shown_percent_ = percent;
    fmt::print("{:3} %  {}\n", percent, line(running));
  }
  shown_at_ = now;
  std::fflush(stdout);
}

void Progress::close() {
  if (terminal_) fmt::print("\r\033[K");
  std::fflush(stdout);
}

}  // namespace luna::experiments
