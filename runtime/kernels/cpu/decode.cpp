// One decoding step: features of a tile of heads at a time, as if they were tokens, then one pass
// over the state of each.
#include <algorithm>

#include "runtime/kernels/cpu/feature_tiles.h"
#include "runtime/kernels/cpu/passes.h"
#include "runtime/kernels/cpu/quotient.h"
#include "runtime/kernels/head_order.h"

namespace luna::kernels::cpu {
namespace {

/// Key heads of a task: whole tiles of features where there are enough for every thread.
constexpr int64_t kMostHeads = 64, kTasksWanted = 16;
/// Rows of a state that are updated and read at a time: they stay in the nearest cache. (64 take
/// 5 % less where all states lie in cache, and were no quicker from memory.)
constexpr int64_t kRows = tiles::kSumBlock;

/// Of weights [B, heads, 1], or none.
at::Tensor arrange_weights(const HeadOrder& order, const at::Tensor& weight) {
  if (!weight.defined()) return weight;
  return order.arrange(weight.unsqueeze(-1)).squeeze(-1).contiguous();
}

Tasks head_tasks(const HeadOrder& order) {
  const int64_t heads =
      tiles::round_up(order.batch * order.key_heads / kTasksWanted, tiles::kTokenBlock);
  return {1, order.maps(), order.tokens(),
          std::clamp<int64_t>(heads, tiles::kTokenBlock, kMostHeads)};
}

/// Copies the true features of a tile's tokens, one row each.
void copy_features(const Matrix& phi, int64_t tokens, const FeatureLayout& layout, float* out,
                   int64_t stride) {
  for (int64_t n = 0; n < tokens; n++) {
    const float* row = phi.data + n * phi.stride1;
    for (int64_t i = 0; i < layout.m; i++) {
      std::copy_n(row + i * layout.stride, layout.L, out + n * stride + i * layout.L);
    }
  }
}

/// The pass over the state of one head: takes the token in and leaves phi(q) S and phi(q) z.
class StatePass {
 public:
  StatePass(const at::Tensor& state, const at::Tensor& norm, int64_t group, int64_t pitch)
      : state_(state),
        norm_(norm),
        group_(group),
        rows_(state.size(2)),
        call_("tile_decode"),
        out_(state.size(3), group),
        part_(state.size(3), group),
        den_(group) {
    const int64_t dv = state.size(3);
    call_.add(kUnplaced, {{0, 1}});
    call_.add(kUnplaced, {{group, pitch}, {0, 1}});
    call_.add(kUnplaced, {{0, 1}});
    for (int k = 0; k < 2; k++) {  // before, after
      call_.add(kUnplaced, {{dv, 1}, {0, state.stride(2)}});
      call_.add(kUnplaced, {{0, 1}});
    }
    call_.add(part_.data(), {{dv, 1}, {group, part_.pitch()}});
    call_.add(out_.data(), {{dv, 1}, {group, out_.pitch()}});
    call_.add(den_.data(), {{group, 1}});
  }

  /// phi_k: D features, phi_q: a row for every query of the group, `pitch` apart.
  void run(int64_t b, int64_t head, const float* phi_k, const float* phi_q, const float* v) {
    std::fill_n(out_.data(), group_ * out_.pitch(), 0.0f);
    std::fill(den_.begin(), den_.end(), 0.0f);
    float* S = state_.data_ptr<float>() + b * state_.stride(0) + head * state_.stride(1);
    float* z = norm_.data_ptr<float>() + b * norm_.stride(0) + head * norm_.stride(1);
    call_.point(kValue, v, state_.size(3));
    for (int64_t f = 0; f < rows_; f += kRows) {
      const int64_t rows = std::min(kRows, rows_ - f);
      call_.point(kPhiK, phi_k + f, rows);
      call_.point(kPhiQ, phi_q + f, rows);
      for (const int after : {0, 2}) {
        call_.point(kState + after, S + f * state_.stride(2), rows);
        call_.point(kNorm + after, z + f, rows);
      }
      call_.run();
    }
  }
  const Tile& out() const { return out_; }
  std::vector<float>& den() { return den_; }

 private:
  enum { kPhiK, kPhiQ, kValue, kState, kNorm };
  static constexpr const float* kUnplaced = nullptr;  ///< until run()
  const at::Tensor &state_, &norm_;
  int64_t group_, rows_;
  TileCall call_;
  Tile out_, part_;
  std::vector<float> den_;
};

}  // namespace

void decode_step(const Problem& p, const at::Tensor& state, const at::Tensor& norm,
                 const at::Tensor& out) {
  const int64_t d = p.q.size(3), dv = p.v.size(3), D = state.size(2);
  const HeadOrder order(p);
  if (state.numel() == 0) return;
  const MapArgs q_args = order.arrange(p.q_map), k_args = order.arrange(p.k_map);
  PackedSides sides(q_args, k_args, d);
  const PackedMap &q_map = sides.q(), &k_map = sides.k();
  const at::Tensor q = order.arrange(p.q), k = order.arrange(p.k), v = order.arrange(p.v);
  const at::Tensor q_weight = arrange_weights(order, p.q_weight);
  const at::Tensor k_weight = arrange_weights(order, p.k_weight);
  const TokenRows value_rows(v),
      outputs(out.squeeze(2).unflatten(1, {order.key_heads, order.group}));
  const Tasks tasks = head_tasks(order);
  tasks.run([&](int64_t begin, int64_t end) {
    FeatureTiles keys(k_map, k, k_weight, kMostHeads), queries(q_map, q, q_weight, kMostHeads);
    const Tile phi_k(D, kMostHeads), phi_q(D, kMostHeads * order.group), values(dv, kMostHeads);
    StatePass pass(state, norm, order.group, phi_q.pitch());
    for (int64_t index = begin; index < end; index++) {
      const Task task = tasks[index];
      keys.start(task, task.h);
      keys.compute(task.first, task.tokens);
      copy_features(keys.phi(), task.tokens, k_map.layout(), phi_k.data(), phi_k.pitch());
      value_rows.load(0, task.h, task.first, task.tokens, keys.weight(), 0.0f, values);
      for (int64_t g = 0; g < order.group; g++) {
        Task own = task;
        own.h = task.h * order.group + g;
        queries.start(own, task.h);
        queries.compute(task.first, task.tokens);
        copy_features(queries.phi(), task.tokens, q_map.layout(), phi_q.row(g),
                      order.group * phi_q.pitch());
      }
      for (int64_t n = 0; n < task.tokens; n++) {
        const int64_t token = task.first + n, b = order.b(token);
        const int64_t head = order.key_head(task.h, token);
        pass.run(b, head, phi_k.row(n), phi_q.row(n * order.group), values.row(n));
        for (float& den : pass.den()) den = 1.0f / denominator_rule(den, p.denominator);
        outputs.store(b, head, 0, order.group, pass.out().matrix(padded_tokens(order.group)),
                      pass.den().data());
      }
    }
  });
}

}  // namespace luna::kernels::cpu
