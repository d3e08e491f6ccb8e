// apply_state, batched: den_n = w_n phi(x_n) z and out_n = w_n phi(x_n) S / max(den_n + add,
// clamp).
#include "generators/attention/batch/batch_pass.h"

namespace luna {

class BatchApplyState : public BatchPass<BatchApplyState> {
 public:
  // The schedule: features staged at a time, and of those multiplied between two loop branches.
  Halide::GeneratorParam<int> chunk{"chunk", 16}, unroll{"unroll", 1};
  Input<Buffer4> x{"x"};
  Input<Buffer3> weight{"weight"};
  Input<Buffer4> state{"state"};  // (e, D, head, b): S, then z at e = size
  Input<float> add{"add"}, clamp{"clamp"};
  Output<Buffer4> out{"out"};  // (e, n, h, b): e < size: out, the kDenColumns after it: den

  void configure() { add_map(); }

  void generate() {
    const Func phi = features(x, weight);
    bind_packed(state, {tiles::state_columns(size), features_});
    const Expr head = h_ * state.dim(2).extent() / x.dim(2).extent();
    S_(e_, D_, h_, b_) = state(e_, D_, head, b_);
    over_D_ = RDom(0, chunk, 0, features_ / int(chunk), "over_D");

    // Lane 4 f + c holds tokens 4 f .. and columns 4 c .. of every 16, and the denominator.
    const int own = size / kColumnLanes, tokens = warp::kTokens / kRowLanes;
    const Expr e =
        Halide::unsafe_promise_clamped(k_ / 4 * 16 + lane_ % 4 * 4 + k_ % 4, 0, size - 1);
    const Expr n = nb_ * warp::kTokens + lane_ / 4 * tokens + t_,
               D = over_D_.y * int(chunk) + over_D_.x;
    sum_(k_, t_, lane_, nb_, h_, b_) = 0.0f;
    sum_(k_, t_, lane_, nb_, h_, b_) +=
        phi(D, n, h_, b_) *
        Halide::select(k_ < own, S_(e, D, h_, b_), state(int(size), D, head, b_));
    sum_.bound(k_, 0, own + 1).bound(t_, 0, tokens).bound(lane_, 0, warp::kLanes);

    const auto part = [&](const Expr& k, const Expr& c) {
      return sum_(k, n_ % tokens, n_ / tokens % kRowLanes * 4 + c, n_ / warp::kTokens, h_, b_);
    };
    const Expr c = e_ / 4 % 4, weighted = weight(n_, h_, b_) * part(own, c);
    const Expr w = weight(n_, h_, b_);  // 0 where nothing is added to the denominator: 0 / 0
    const Expr factor = Halide::select(w == 0.0f, 0.0f, w / floor_at(weighted + add, clamp));
    out(e_, n_, h_, b_) = Halide::select(
        e_ < int(size), part(Halide::min(e_ / 16 * 4 + e_ % 4, own), c) * factor, weighted);
    bind_rows(out, int(size) + tiles::kDenColumns);
  }

  void schedule() {
    using Halide::MemoryType;
    const auto guard = Halide::TailStrategy::GuardWithIf;
    const int tokens = warp::kTokens / kRowLanes;
    const Var eo("eo"), ei("ei"), e4("e4"), c("c"), nt("nt"), f("f");
    Func result = out;
    result.split(e_, e4, ei, 4)
        .split(e4, eo, c, 4, guard)
        .split(n_, nb_, nt, warp::kTokens, guard)
        .split(nt, f, t_, tokens)
        .fuse(c, f, lane_)
        .split(nb_, nb_, ty_, 1)
        .fuse(nb_, b_, block_)
        .reorder(ei, eo, t_, lane_, ty_, block_, h_)
        .vectorize(ei)
        .unroll(eo)
        .unroll(t_)
        .gpu_lanes(lane_)
        .gpu_threads(ty_)
        .gpu_blocks(block_, h_);
    sum_.compute_at(result, block_).store_in(MemoryType::Register);
    sum_.bound_extent(nb_, 1).bound_extent(h_, 1).bound_extent(b_, 1);
    sum_.reorder(k_, t_, lane_).unroll(k_).unroll(t_).gpu_lanes(lane_);
    sum_.update()
        .reorder(k_, t_, over_D_.x, lane_, over_D_.y)
        .unroll(k_)
        .unroll(t_)
        .gpu_lanes(lane_);
    if (int(unroll) > 1) sum_.update().unroll(over_D_.x, unroll);
    const Halide::LoopLevel at(sum_, over_D_.y);
    stage_kept_x(Halide::LoopLevel(result, block_));
    // S before phi, and nothing shared after it: Halide 21 does not see that the rows are read
    // again in the next round, and gives their memory to what is staged after their last use in
    // this one.
    warp::stage_rows(S_, e_, D_, at, size, chunk);
    feature_map_->schedule_shared({at, chunk, false});
  }

 private:
  Var k_{"k"}, t_{"t"}, nb_{"nb"};
  Func sum_{"out_sum"}, S_{"S_chunk"};
  RDom over_D_;
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::BatchApplyState, batch_apply_state)
