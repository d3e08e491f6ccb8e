// kv_state, batched: state(e, D) = sum over the tokens of a slot of phi(x_n) (x) [scale_n v_n,
// last_n], for keys (scale = last = weight) and for the gradient of a state.
#include "generators/attention/batch/batch_pass.h"

namespace luna {

class BatchKvState : public BatchPass<BatchKvState> {
 public:
  Halide::GeneratorParam<int> unroll{"unroll", 1};  ///< the schedule: tokens between two branches
  Input<Buffer4> x{"x"}, v{"v"};
  Input<Buffer3> weight{"weight"}, scale{"scale"}, last{"last"};
  Input<int> slot_tokens{"slot_tokens"};  // multiple of kSlotAlign
  Output<Buffer5> state{"state"};         // (e, D, slot, h, b)

  void configure() { add_map(); }

  void generate() {
    tile_ = RDom(0, warp::kTokens, 0, slot_tokens / warp::kTokens, "tile");
    const Func phi = features(x, weight);
    columns(v, scale, last);

    // Lane 4 f + c holds features f wide .. and columns 4 c .. of every 16, and the last column.
    const int group = feature_group(), wide = group / kRowLanes, own = size / kColumnLanes;
    const Expr n = slot_ * slot_tokens + tile_.y * warp::kTokens + tile_.x;
    const Expr e =
        Halide::unsafe_promise_clamped(k_ / 4 * 16 + lane_ % 4 * 4 + k_ % 4, 0, size - 1);
    sum_(k_, l_, lane_, g_, slot_, h_, b_) = 0.0f;
    sum_(k_, l_, lane_, g_, slot_, h_, b_) +=
        phi(g_ * group + lane_ / 4 * wide + l_, n, h_, b_) *
        Halide::select(k_ < own, values_(e, n, h_, b_), last_(n, h_, b_));
    const Expr lane = D_ % group / wide * 4 + e_ / 4 % 4;
    state(e_, D_, slot_, h_, b_) =
        sum_(Halide::min(e_ / 16 * 4 + e_ % 4, own), D_ % wide, lane, D_ / group, slot_, h_, b_);
    sum_.bound(k_, 0, own + 1).bound(l_, 0, wide).bound(lane_, 0, warp::kLanes);
    bind_packed(state, {tiles::state_columns(size), features_});
  }

  void schedule() {
    const Var eo("eo"), ei("ei"), er("er"), c("c"), Di("Di"), f("f"), gs("gs");
    Func out = state;
    out.bound(e_, 0, tiles::state_columns(size));
    out.split(e_, eo, er, 16)
        .split(er, c, ei, 4)
        .split(D_, g_, Di, feature_group(), Halide::TailStrategy::RoundUp)
        .split(Di, f, l_, feature_group() / kRowLanes)
        .fuse(c, f, lane_)
        .split(g_, g_, ty_, 1)
        .fuse(g_, slot_, gs)
        .fuse(gs, b_, block_)
        .reorder(ei, eo, l_, lane_, ty_, block_, h_)
        .vectorize(ei)
        .unroll(eo)
        .unroll(l_)
        .gpu_lanes(lane_)
        .gpu_threads(ty_)
        .gpu_blocks(block_, h_);
    sum_.compute_at(out, block_).store_in(Halide::MemoryType::Register);
    sum_.bound_extent(g_, 1).bound_extent(slot_, 1).bound_extent(h_, 1).bound_extent(b_, 1);
    sum_.reorder(k_, l_, lane_).unroll(k_).unroll(l_).gpu_lanes(lane_);
    sum_.update().reorder(k_, l_, tile_.x, lane_, tile_.y).unroll(k_).unroll(l_).gpu_lanes(lane_);
    if (int(unroll) > 1) sum_.update().unroll(tile_.x, unroll);
    const Halide::LoopLevel at(sum_, tile_.y);
    stage_kept_x(at);
    warp::stage_rows(values_, e_, n_, at, size, warp::kTokens);
    stage_scalar(last_, at);
    feature_map_->schedule_shared({at, feature_group(), true});
  }

 private:
  Var k_{"k"}, l_{"l"}, g_{"g"}, slot_{"slot"};
  Func sum_{"state_sum"};
  RDom tile_;
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::BatchKvState, batch_kv_state)
