// What `luna run` shows while cells train: one line that is rewritten on a terminal, else a line
// about every 5 % of the work.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace luna::experiments {

/// Prints a line at once, whatever standard output is.
void say(const std::string& line);

/// A cell in training.
struct Running {
  std::string name;
  double seconds = 0;  ///< estimate for the whole cell
  int64_t step = 0, steps = 0;
  double loss = 0, seconds_per_step = 0;

  double share() const { return steps > 0 ? static_cast<double>(step) / steps : 0; }
  double seconds_left() const;
};

class Progress {
 public:
  Progress(size_t cells, double seconds, int jobs);
  void finished(double seconds);
  void show(const std::vector<Running>& running);
  /// Leaves the terminal on a fresh line.
  void close();

 private:
  std::string line(const std::vector<Running>& running) const;

  size_t cells_, done_ = 0;
  double seconds_, seconds_done_ = 0;  ///< estimated work in all, of finished cells
  int jobs_;
  bool terminal_;
  int shown_percent_ = -1;
  std::chrono::steady_clock::time_point shown_at_{};
};

/// "45 s", "12 min", "3.5 h".
std::string duration(double seconds);

}  // namespace luna::experiments
