#include "experiments/bench/model.h"

#include <algorithm>
#include <map>

#include "experiments/bench/ceilings.h"

namespace luna::bench {
namespace {

using nlohmann::json;

constexpr uint64_t kModelSeed = 1;

/// One token in the row's dtype and the operator's parameters: the model takes shapes from `size`.
Inputs one_token(const SweepRow& row, const Group& group) {
  Size size = group.size;
  size.B = size.H = size.N = 1;
  Inputs tokens = draw_tokens(size, kModelSeed);
  tokens.causal = group.causal;
  return with_params(tokens, *row.op, size, kModelSeed).on(c10::kCPU, row.dtype);
}

/// Every row under the ceiling that its key names.
template <typename Ceiling, typename Key, typename KeyOf>
json model(std::vector<Group>& groups, const std::map<Key, Ceiling>& ceilings, const KeyOf& key) {
  json content = {{"ceilings", json::array()}, {"rows", json::object()}};
  for (const auto& [name, ceiling] : ceilings) content["ceilings"].push_back(ceiling);
  for (Group& group : groups) {
    for (SweepRow& row : group.rows) {
      const Ceiling& ceiling = ceilings.at(key(row.facts));
      set_work(row, group.size, one_token(row, group), {ceiling.gflops, ceiling.gb_s});
      content["rows"][row.facts.key()] = {{"flops", *row.facts.flops},
                                          {"bytes", *row.facts.bytes},
                                          {"roofline_s", *row.facts.roofline_s}};
    }
  }
  return content;
}

}  // namespace

void set_work(SweepRow& row, const Size& size, const Inputs& in, const Roof& roof) {
  const Work work = work_of(*row.op, size, in, row.pass);
  row.facts.D = features_of(*row.op, in);
  row.facts.flops = work.flops;
  row.facts.bytes = work.bytes;
  row.facts.roofline_s = 1e-9 * std::max(work.flops / roof.gflops, work.bytes / roof.gb_s);
}

json cpu_model(std::vector<Group> groups) {
  std::map<int64_t, Ceilings> by_threads;
  for (const Group& group : groups) {
    if (by_threads.count(group.threads) > 0) continue;
    by_threads[group.threads] = measure_ceilings(group.threads, kCeilingSeconds);
  }
  return model(groups, by_threads, [](const reports::BenchRow& row) { return row.threads; });
}

json gpu_model(std::vector<Group> groups, const Accelerator& on) {
  std::map<std::string, DeviceCeiling> by_dtype;
  for (const DeviceCeiling& found : measure_ceilings(on)) by_dtype[found.dtype] = found;
  return model(groups, by_dtype, [](const reports::BenchRow& row) { return row.dtype; });
}

}  // namespace luna::bench
