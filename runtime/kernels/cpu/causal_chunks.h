// What causal passes share: chunks of tokens, a scan's product over a chunk, strips and the states
// they start from.
#pragma once

#include <algorithm>
#include <deque>

#include "runtime/kernels/cpu/feature_tiles.h"
#include "runtime/kernels/cpu/running_state.h"

namespace luna::kernels::cpu {

/// Tokens of a chunk: their features stay in the nearest caches, and blocks of the state in
/// registers from its first token to its last. What a token sees of its own chunk, the scan adds
/// token by token, so that the length decides about caches alone.
int64_t chunk_tokens(const PackedMap& map);

/// The tasks of a causal pass: strips of a key head's tokens.
Tasks strips_of(const at::Tensor& k);

enum class Order { forward, reverse };

/// scan() of matrices: y(i, n) = sum_j T(i, j) c(j, n) with T += a(i, n) b(j, n) before it, token
/// after token. adds: y += instead; keeps: T goes on with the sum.
struct CausalProduct {
  Matrix a, b, c, y, T;
  bool adds = false, keeps = true;

  void run(Order order) const;
};

/// The keys and values of a chunk.
class KeyTiles {
 public:
  KeyTiles(const Problem& p, const PackedMap& map, int64_t chunk)
      : features(map, p.k, p.k_weight, chunk), tile_(p.v.size(3), chunk), v_(p.v) {}
  void compute(const Task& task, int64_t n, int64_t tokens) {
    if (!features.compute(n, tokens)) return;
    values_ = v_.rows(task.b, task.h, n, tokens, features.weight(), features.weight_is_one(), 0.0f,
                      tile_);
  }
  /// (e, n), dv columns.
  Matrix values() const { return values_.first0(v_.width()); }

  FeatureTiles features;

 private:
  Tile tile_;
  TokenRows v_;
  Matrix values_{};
};

/// The states before every chunk of every strip, which a training forward keeps for a backward that
/// goes through the chunks once, last to first.
class ChunkStates {
 public:
  /// Of a forward: to be filled; none where none are kept (key_sums.h) or there is but one chunk.
  static ChunkStates of_forward(const Problem& p, const PackedMap& map, const Tasks& strips,
                                int64_t chunk);
  /// Of a backward: those saved, or the zeros before the only chunk; none where none were kept.
  static ChunkStates of_backward(const Forward& saved, const Problem& p, const PackedMap& map,
                                 const Tasks& strips, int64_t chunk);

  bool defined() const { return data_ != nullptr; }
  const at::Tensor& memory() const { return memory_; }
  /// (D, e): before token n of the strip of that index, the first of a chunk.
  Matrix of(int64_t index, const Task& strip, int64_t n) const;

 private:
  ChunkStates(at::Tensor memory, int64_t chunk);
  at::Tensor memory_;  ///< [strips, chunks, augmented columns, padded D]
  float* data_ = nullptr;
  int64_t chunk_, chunks_ = 0, columns_ = 0, padded_ = 0;
};

/// Query heads of a key head.
inline int64_t group_of(const Problem& p) { return p.q.size(1) / p.k.size(1); }

/// body(g, its task) for the query heads of a key head's task.
template <typename Body>
void for_each_query_head(const Problem& p, const Task& task, const Body& body) {
  const int64_t group = group_of(p);
  for (int64_t g = 0; g < group; g++) {
    Task queries = task;
    queries.h = task.h * group + g;
    body(g, queries);
  }
}

/// Features of the queries, one object a query head of a key head: their calls are set up once a
/// task.
std::deque<FeatureTiles> query_tiles(const Problem& p, const PackedMap& map, int64_t chunk);

template <typename Body>
void for_each_chunk_reversed(const Task& task, int64_t chunk, const Body& body) {
  for (int64_t n = (task.tokens - 1) / chunk * chunk; n >= 0 && task.tokens > 0; n -= chunk) {
    body(task.first + n, std::min(chunk, task.tokens - n));
  }
}

/// Every strip's state of the keys before it.
TaskStates states_before(const Problem& p, const PackedMap& map, const Tasks& strips,
                         int64_t chunk);

}  // namespace luna::kernels::cpu
