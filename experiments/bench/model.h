// The model of a row's work (work.h) against measured ceilings: what "% roofline" is made of, for
// rows that are timed elsewhere too (peers.py). Tested in tests/experiments/bench.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "experiments/bench/accelerator.h"
#include "experiments/bench/sweep.h"

namespace luna::bench {

/// What a row could reach at the most, in 1e9 operations and bytes a second.
struct Roof {
  double gflops, gb_s;
};

/// Fills in the row's D, flops, bytes and roofline_s from inputs in its dtype, with the parameters
/// of its operator.
void set_work(SweepRow& row, const Size& size, const Inputs& in, const Roof& roof);

/// {"ceilings": as in a file of rows (reports/bench/rows.h), measured now,
///  "rows": {key: {"flops", "bytes", "roofline_s"}}}
nlohmann::json cpu_model(std::vector<Group> groups);
nlohmann::json gpu_model(std::vector<Group> groups, const Accelerator& on);

}  // namespace luna::bench
