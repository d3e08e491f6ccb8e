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
  at::ScalarType dtype;
  reports::BenchRow facts;  ///< all but what is measured
};

/// Rows that share inputs and are timed interleaved.
struct Group {
  Size size;
  bool causal;
  int threads;
  std::vector<SweepRow> rows;
};

/// "A", "B" (standard_sizes()), "decode" (one token of 512 sequences at H 8, d 64) or a number of
/// tokens from 1 to 2^24, "4096" or "4k", with m 16, L 8, hid 64: on a CPU at d 32, 64 and 128
/// each, B 1, H 8; on CUDA at d 64, or that of "4k:32" and "4k:128", H 16 and B 65536 / N, at least
/// 1: a GPU is busy with a million token-heads. Throws UsageError for anything else.
std::vector<Size> sweep_sizes(const std::vector<std::string>& names,
                              c10::DeviceType device = c10::kCPU);

/// A, B, decode and N 64, 256, 1k, 4k, 16k, 64k; on CUDA decode, these N with 2k, 8k and 32k at d
/// 64, then without at d 32 and 128.
const std::vector<std::string>& usual_sweep(c10::DeviceType device = c10::kCPU);

/// The passes that an operator has.
std::vector<Pass> passes_of(const Operator& op);

/// Every operator, both passes, causal and not (of "decode": a step of decode_operators()), of
/// those rows whose key `filter` is found in (ECMAScript; empty: all). Sizes in their order, so
/// that the large come last; each row once, as B is 4k at d 64. On CUDA in float32 and bfloat16,
/// the operators of the report's table and SDPA at every size before the others at the first.
/// Throws UsageError where the filter is no regular expression or leaves nothing.
std::vector<Group> sweep_groups(const std::vector<Size>& sizes, const std::vector<int>& threads,
                                const std::string& filter, c10::DeviceType device = c10::kCPU);

}  // namespace luna::bench
