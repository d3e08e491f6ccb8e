// One cell as a child process of this executable. Tested in tests/experiments/runner.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace luna::experiments {

/// A running `luna ARGUMENTS`, single-threaded, whose output is read without blocking. It dies with
/// this process.
class Child {
 public:
  /// Throws std::runtime_error when no process can be started.
  explicit Child(const std::vector<std::string>& arguments);
  ~Child();  ///< stops and reaps it if it still runs
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Takes what has arrived; true once the process has ended and everything was read.
  bool poll();
  const std::string& last_output() const { return output_.last; }
  /// Why it ended: empty after exit code 0, else its last error line or the signal.
  std::string failure() const;
  std::vector<int> descriptors() const;

 private:
  /// The last whole line that a pipe brought.
  struct Pipe {
    int descriptor = -1;
    std::string pending, last;
    void read();
  };

  int pid_ = -1;
  std::optional<int> status_;  ///< of waitpid
  Pipe output_, errors_;
};

/// Waits until one of the children has something to say or ended, at most `milliseconds`.
void wait_for_any(const std::vector<const Child*>& children, int milliseconds);

}  // namespace luna::experiments
