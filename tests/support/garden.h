// Where bugs are planted: kernels of this library run in the interpreter with a text of their own.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace luna::test {

/// What is run, and what it should give: the float64 reference, or, where none is named (half
/// precision, whose rounding would hide much), every bit of what it gives without a bug.
struct Subject {
  std::function<std::vector<at::Tensor>()> run;
  std::vector<at::Tensor> exact, scale;
};

/// Every kernel of a subject.
class Garden {
 public:
  explicit Garden(Subject subject);

  /// The texts of the modules, by kernel.
  const std::map<std::string, std::string>& kernels() const { return kernels_; }

  /// Whether a kernel of that text in place of its own is reported by the interpreter, seen in the
  /// results, or neither.
  enum class Outcome { survives, seen, reported };
  struct Trial {
    Outcome outcome;
    bool stores_as_often;  ///< to global memory, as without the bug; if it is not reported
  };
  Trial run(const std::string& kernel, const std::string& wrong) const;

  /// Before and after the first and the last run of a suite: wrong kernels may not run for ever.
  static void open();
  static void close();

 private:
  bool is_right(const at::Tensor& given, size_t i) const;

  Subject subject_;
  std::vector<at::Tensor> right_;
  std::map<std::string, std::string> kernels_;
  std::map<std::string, uint64_t> stores_;
};

}  // namespace luna::test
