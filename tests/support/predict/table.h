// The table behind `make bench DEVICE=cuda` without a GPU.
#pragma once

#include "tests/support/predict/predict.h"

namespace luna::test {

/// What the rows that stand together are about: one pass of one call.
struct TableEntry {
  autotune::Call call;
  bench::Size size;
  bench::Pass pass;
  bool extra;  ///< one of --all

  std::string label() const;      ///< the operator, and what is special about it
  std::string pass_name() const;  ///< "causal forward"
};

/// Every fused operator that is built for CUDA, in half precision where it may have kernels of its
/// own, then LUNA with a dense psi and with ch_rms, then steps of decode_operators(), one token of
/// 64 sequences.
std::vector<TableEntry> table_entries();

class Table {
 public:
  /// Columns are as wide as these need.
  explicit Table(const std::vector<TableEntry>& entries);
  /// The names of the columns.
  std::string names() const;
  /// What an entry executes; "" in half precision without kernels of its own.
  std::string rows(const TableEntry& entry) const;

 private:
  std::string begin(const TableEntry& entry) const;

  size_t label_width_ = 0, pass_width_ = 0;
};

/// That it is a prediction, how it is made, and where there are Halide's kernels alone.
std::string table_head(const std::vector<TableEntry>& entries);

}  // namespace luna::test
