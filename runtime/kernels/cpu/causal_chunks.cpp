#include "runtime/kernels/cpu/causal_chunks.h"

#include "runtime/kernels/cpu/feature_passes.h"
#include "runtime/kernels/cpu/key_sums.h"
#include "runtime/kernels/cpu/scan.h"

namespace luna::kernels::cpu {
namespace {

/// Fewest tokens of a strip.
constexpr int64_t kMinStrip = 1024;

/// The tokens of m in that order, as scan() takes them.
ScanRows in_order(const Matrix& m, Order order) {
  if (order == Order::forward) return {m.data, m.stride1};
  return {m.data + (m.extent1 - 1) * m.stride1, -m.stride1};
}

std::vector<int64_t> chunk_states_shape(const PackedMap& map, int64_t dv, const Tasks& strips) {
  const int64_t chunks = (strips.tokens() + kChunk - 1) / kChunk;
  return {strips.count(), chunks, augmented_columns(dv), map.layout().padded};
}

}  // namespace

ChunkStates ChunkStates::of_forward(const Problem& p, const PackedMap& map, const Tasks& strips) {
  if (p.k.size(2) <= kChunk) return ChunkStates({});  // no keys before the one chunk
  return ChunkStates(key_sums_memory(p, chunk_states_shape(map, p.v.size(3), strips)));
}

ChunkStates ChunkStates::of_backward(const Forward& saved, const PackedMap& map, int64_t dv,
                                     const Tasks& strips) {
  return ChunkStates(key_sums_of(saved, chunk_states_shape(map, dv, strips)));
}

Matrix ChunkStates::of(int64_t index, const Task& strip, int64_t n) const {
  const int64_t columns = memory_.size(2), padded = memory_.size(3);
  const int64_t chunk = index * memory_.size(1) + (n - strip.first) / kChunk;
  return {memory_.data_ptr<float>() + chunk * columns * padded, padded, 1, columns, padded};
}

Tasks strips_of(const at::Tensor& k) { return long_tasks_of(k, kMinStrip, kChunk); }

void CausalProduct::run(Order order) const {
  const ScanRows out = in_order(y, order);
  scan({in_order(a, order), in_order(b, order), in_order(c, order), const_cast<float*>(out.first),
        out.stride, adds, T.extent0, T.extent1, y.extent1, T.data, T.stride1, keeps});
}

std::deque<FeatureTiles> query_tiles(const Problem& p, const PackedMap& map) {
  std::deque<FeatureTiles> tiles;
  for (int64_t g = 0; g < group_of(p); g++) tiles.emplace_back(map, p.q, p.q_weight, kChunk);
  return tiles;
}

TaskStates states_before(const Problem& p, const PackedMap& map, const Tasks& strips) {
  TaskStates states(strips.count(), map.layout(), p.v.size(3));
  if (strips.slots() == 1) return states;
  add_states(p, map, strips, kChunk, strips.slots() - 1, states);  // none comes after the last
  states.sum_before(strips.slots());
  return states;
}

}  // namespace luna::kernels::cpu
