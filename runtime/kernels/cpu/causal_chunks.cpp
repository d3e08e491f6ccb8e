#include "runtime/kernels/cpu/causal_chunks.h"

#include <utility>
#include <vector>

#include "runtime/kernels/cpu/feature_passes.h"
#include "runtime/kernels/cpu/key_sums.h"
#include "runtime/kernels/cpu/scan.h"

namespace luna::kernels::cpu {
namespace {

/// Fewest tokens of a strip.
constexpr int64_t kMinStrip = 1024;

/// Most that a forward keeps of states: times v's memory.
constexpr int64_t kMostKeptStates = 1;

/// Floats of a chunk's features, and fewest tokens. Emerald Rapids: D 64 to 256, 64 tokens take up
/// to 10 % longer than 128, 32 up to 25 %, 256 as long. D 561 and 2145, chunks of these sizes take
/// 0.7 of the time of 128 tokens, and D 512, 128 tokens 0.9 of that of 256.
constexpr int64_t kChunkFloats = 65536, kMinChunk = 32;

/// The tokens of m in that order, as scan() takes them.
ScanRows in_order(const Matrix& m, Order order) {
  if (order == Order::forward) return {m.data, m.stride1};
  return {m.data + (m.extent1 - 1) * m.stride1, -m.stride1};
}

std::vector<int64_t> chunk_states_shape(const Problem& p, const PackedMap& map, const Tasks& strips,
                                        int64_t chunk) {
  const int64_t chunks = (strips.tokens() + chunk - 1) / chunk;
  return {strips.count(), chunks, augmented_columns(p.v.size(3)), map.layout().padded};
}

}  // namespace

int64_t chunk_tokens(const PackedMap& map) {
  const int64_t fitting = kChunkFloats / map.layout().padded / kMinChunk * kMinChunk;
  return std::clamp(fitting, kMinChunk, kScanTokens);
}

Tasks strips_of(const at::Tensor& k) { return long_tasks_of(k, kMinStrip, kScanTokens); }

ChunkStates::ChunkStates(at::Tensor memory, int64_t chunk)
    : memory_(std::move(memory)), chunk_(chunk) {
  if (!memory_.defined()) return;
  data_ = memory_.data_ptr<float>();
  chunks_ = memory_.size(1);
  columns_ = memory_.size(2);
  padded_ = memory_.size(3);
}

ChunkStates ChunkStates::of_forward(const Problem& p, const PackedMap& map, const Tasks& strips,
                                    int64_t chunk) {
  if (p.k.size(2) <= chunk) return {{}, chunk};
  return {key_sums_memory(p, chunk_states_shape(p, map, strips, chunk), kMostKeptStates), chunk};
}

ChunkStates ChunkStates::of_backward(const Forward& saved, const Problem& p, const PackedMap& map,
                                     const Tasks& strips, int64_t chunk) {
  const std::vector<int64_t> shape = chunk_states_shape(p, map, strips, chunk);
  if (p.k.size(2) <= chunk) return {at::zeros(shape, at::kFloat), chunk};
  return {key_sums_of(saved, shape), chunk};
}

Matrix ChunkStates::of(int64_t index, const Task& strip, int64_t n) const {
  const int64_t at = index * chunks_ + (n - strip.first) / chunk_;
  return {data_ + at * columns_ * padded_, padded_, 1, columns_, padded_};
}

void CausalProduct::run(Order order) const {
  TORCH_INTERNAL_ASSERT(y.extent1 <= kScanTokens);
  const ScanRows out = in_order(y, order);
  scan({in_order(a, order), in_order(b, order), in_order(c, order), const_cast<float*>(out.first),
        out.stride, adds, T.extent0, T.extent1, y.extent1, T.data, T.stride1, keeps});
}

std::deque<FeatureTiles> query_tiles(const Problem& p, const PackedMap& map, int64_t chunk) {
  std::deque<FeatureTiles> tiles;
  for (int64_t g = 0; g < group_of(p); g++) tiles.emplace_back(map, p.q, p.q_weight, chunk);
  return tiles;
}

TaskStates states_before(const Problem& p, const PackedMap& map, const Tasks& strips,
                         int64_t chunk) {
  TaskStates states(strips.count(), map.layout(), p.v.size(3));
  if (strips.slots() == 1) return states;
  add_states(p, map, strips, chunk, strips.slots() - 1, states);  // none comes after the last
  states.sum_before(strips.slots());
  return states;
}

}  // namespace luna::kernels::cpu
