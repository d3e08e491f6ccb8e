// What the full benchmark comprises: groups of rows that are timed together. Tested in
// tests/experiments/bench.
#pragma once

#include "experiments/bench/work.h"
#include "reports/bench/rows.h"

namespace luna::bench {

/// One operator's pass in a group.
struct SweepRow {
  const Operator* op;
  Pass pass;
  reports::BenchRow facts;  ///< all but what is measured
};

/// Rows that share inputs and are timed interleaved.
struct Group {
  Size size;
  bool causal;
  int threads;
  std::vector<SweepRow> rows;
};

/// "A", "B" (standard_sizes()) or a number of tokens, "4096" or "4k", at d 32, 64 and 128 with B 1,
/// H 8, m 16, L 8, hid 64, or "decode": one token of 512 sequences at H 8, d 64. Throws UsageError
/// for anything else.
std::vector<Size> sweep_sizes(const std::vector<std::string>& names);

/// A, B, decode and N 64, 256, 1k, 4k, 16k, 64k.
const std::vector<std::string>& usual_sweep();

/// What is timed at a size: all_operators(), at "decode" decode_operators().
const std::vector<Operator>& operators_at(const Size& size);
/// The passes that an operator has.
std::vector<Pass> passes_of(const Operator& op);

/// Every operator, both passes, causal and not (of "decode": a step of decode_operators()), of
/// those rows whose key `filter` is found in (ECMAScript; empty: all). Sizes in their order, so
/// that the large come last. Throws UsageError where the filter is no regular expression or leaves
/// nothing.
std::vector<Group> sweep_groups(const std::vector<Size>& sizes, const std::vector<int>& threads,
                                const std::string& filter);

}  // namespace luna::bench
