// kv_state, batched: state(e, D) = sum over the tokens of a slot of phi(x_n) (x) [scale_n v_n,
// last_n], for keys (scale = last = weight) and for the gradient of a state.
#include "generators/attention/batch/batch_pass.h"

namespace luna {

class BatchKvState : public BatchPass<BatchKvState> {
 public:
  Input<Buffer4> x{"x"}, v{"v"};
  Input<Buffer3> weight{"weight"}, scale{"scale"}, last{"last"};
  Input<int> slot_tokens{"slot_tokens"};  // multiple of kSlotAlign
  Output<Buffer5> state{"state"};         // (e, D, slot, h, b)

  void configure() { add_map(); }

  void generate() {
    tile_ = RDom(0, kTile, 0, slot_tokens / kTile, "tile");
    phi_ = features(x, weight);
    bind_rows(v);
    bind_scalars(scale);
    bind_scalars(last);
    values_(e_, n_, h_, b_) =
        Halide::select(kept(n_), scale(row(n_), h_, b_) * v(e_, row(n_), h_, b_), 0.0f);
    ones_(n_, h_, b_) = Halide::select(kept(n_), last(row(n_), h_, b_), 0.0f);

    // Lane 4 f + c holds features f l .. and columns c 4 .. of every 16, and the normaliser's.
    const int group = feature_group(), wide = lane_features(), columns = lane_columns();
    const Expr n = slot_ * slot_tokens + tile_.y * kTile + tile_.x;
    const Expr e =
        Halide::unsafe_promise_clamped(k_ / 4 * 16 + lane_ % 4 * 4 + k_ % 4, 0, size - 1);
    sum_(k_, l_, lane_, g_, slot_, h_, b_) = 0.0f;
    sum_(k_, l_, lane_, g_, slot_, h_, b_) +=
        phi_(g_ * group + lane_ / 4 * wide + l_, n, h_, b_) *
        Halide::select(k_ < columns, values_(e, n, h_, b_), ones_(n, h_, b_));
    const Expr lane = D_ % group / wide * 4 + e_ / 4 % 4;
    state(e_, D_, slot_, h_, b_) = sum_(Halide::min(e_ / 16 * 4 + e_ % 4, columns), D_ % wide, lane,
                                        D_ / group, slot_, h_, b_);
    sum_.bound(k_, 0, columns + 1).bound(l_, 0, wide).bound(lane_, 0, kWarp);
    bind_packed(state, {tiles::state_columns(size), features_});
    if (on_gpu()) {
      schedule_gpu();
    } else {
      sum_.compute_root();
      phi_.compute_root();
    }
  }

 private:
  static constexpr int kTile = 32;

  void schedule_gpu() {
    using Halide::MemoryType;
    const Var eo("eo"), ei("ei"), c("c"), Di("Di"), f("f"), ty("ty"), hb("hb");
    Func out = state;
    out.bound(e_, 0, tiles::state_columns(size));
    out.split(e_, eo, ei, 16)
        .split(ei, c, ei, 4)
        .split(D_, g_, Di, feature_group(), Halide::TailStrategy::RoundUp)
        .split(Di, f, l_, lane_features())
        .fuse(c, f, lane_)
        .fuse(h_, b_, hb)
        .split(g_, g_, ty, 1)
        .reorder(ei, eo, l_, lane_, ty, g_, slot_, hb)
        .unroll(ei)
        .unroll(eo)
        .unroll(l_)
        .gpu_lanes(lane_)
        .gpu_threads(ty)
        .gpu_blocks(g_, slot_, hb);
    sum_.compute_at(out, g_).store_in(MemoryType::Register);
    sum_.bound_extent(g_, 1).bound_extent(slot_, 1).bound_extent(h_, 1).bound_extent(b_, 1);
    sum_.reorder(k_, l_, lane_).unroll(k_).unroll(l_).gpu_lanes(lane_);
    sum_.update()
        .reorder(k_, l_, tile_.x, lane_, tile_.y)
        .unroll(k_)
        .unroll(l_)
        .unroll(tile_.x, 2)
        .gpu_lanes(lane_);
    const Halide::LoopLevel at(sum_, tile_.y);
    stage_rows(values_, e_, at, size);
    ones_.compute_at(at).store_in(MemoryType::GPUShared).gpu_lanes(n_);
    if (feature_map_->elementwise()) {
      stage_rows(phi_, D_, at, size);
    }
  }

  Var k_{"k"}, l_{"l"}, g_{"g"}, slot_{"slot"};
  Func phi_, values_{"values"}, ones_{"ones"}, sum_{"state_sum"};
  RDom tile_;
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::BatchKvState, batch_kv_state)
