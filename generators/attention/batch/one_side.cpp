// Batched passes over one side alone: power_sum serves ch_rms, token_maximum FAVOR+'s stabiliser.
#include "generators/attention/batch/batch_pass.h"
#include "generators/feature_map/projected.h"

namespace luna {

/// sum(D, slot, h, b) = sum over the tokens of a slot of phi(D, n)^2.
class BatchPowerSum : public BatchPass<BatchPowerSum> {
 public:
  Halide::GeneratorParam<int> unroll{"unroll", 1};  ///< the schedule: tokens between two branches
  Input<Buffer4> x{"x"};
  Input<Buffer3> weight{"weight"};
  Input<int> slot_tokens{"slot_tokens"};  // multiple of kSlotAlign
  Output<Buffer4> sum{"sum"};

  void configure() { add_map(); }

  void generate() {
    const Func phi = features(x, weight);
    tile_ = RDom(0, warp::kTokens, 0, slot_tokens / warp::kTokens, "tile");
    const int own = feature_group() / warp::kLanes;
    const Expr n = slot_ * slot_tokens + tile_.y * warp::kTokens + tile_.x;
    const Expr value = phi(g_ * feature_group() + lane_ * own + l_, n, h_, b_);
    total_(l_, lane_, g_, slot_, h_, b_) = 0.0f;
    total_(l_, lane_, g_, slot_, h_, b_) += Halide::select(kept(n), value * value, 0.0f);
    sum(D_, slot_, h_, b_) =
        total_(D_ % own, D_ / own % warp::kLanes, D_ / feature_group(), slot_, h_, b_);
    bind_packed(sum, {features_});
  }

  void schedule() {
    const int own = feature_group() / warp::kLanes;
    const Var Di("Di"), gs("gs");
    Func out = sum;
    out.split(D_, g_, Di, feature_group(), Halide::TailStrategy::RoundUp)
        .split(Di, lane_, l_, own)
        .split(g_, g_, ty_, 1)
        .fuse(g_, slot_, gs)
        .fuse(gs, b_, block_)
        .reorder(l_, lane_, ty_, block_, h_)
        .unroll(l_)
        .gpu_lanes(lane_)
        .gpu_threads(ty_)
        .gpu_blocks(block_, h_);
    total_.compute_at(out, block_).store_in(Halide::MemoryType::Register);
    total_.bound(l_, 0, own).bound(lane_, 0, warp::kLanes);
    total_.bound_extent(g_, 1).bound_extent(slot_, 1).bound_extent(h_, 1).bound_extent(b_, 1);
    total_.unroll(l_).gpu_lanes(lane_);
    total_.update().reorder(l_, tile_.x, lane_, tile_.y).unroll(l_).gpu_lanes(lane_);
    if (int(unroll) > 1) total_.update().unroll(tile_.x, unroll);
    stage_x({total_, tile_.y});
    feature_map_->schedule_shared({{total_, tile_.y}, feature_group(), true});
  }

 private:
  Var l_{"l"}, g_{"g"}, slot_{"slot"};
  Func total_{"total"};
  RDom tile_;
};

/// largest(n, h, b) = max over the first `projections` of t(i, n); the lowest float where the
/// token's weight is zero.
class BatchTokenMaximum : public BatchPass<BatchTokenMaximum> {
 public:
  Halide::GeneratorParam<int> chunk{"chunk", 8};  ///< the schedule: projections at a time
  Input<Buffer4> x{"x"};
  Input<Buffer3> weight{"weight"};
  Input<int> projections{"projections"};
  Output<Buffer3> largest{"largest"};

  void configure() { add_map(); }

  void generate() {
    features(x, weight);
    const Func t = static_cast<Projected&>(*feature_map_).projection();
    over_i_ = RDom(0, chunk, 0, features_ / int(chunk), "over_i");
    const Expr i = over_i_.y * int(chunk) + over_i_.x, lowest = Halide::Float(32).min();
    maximum_(n_, h_, b_) = lowest;
    maximum_(n_, h_, b_) = Halide::max(maximum_(n_, h_, b_),
                                       Halide::select(i < projections, t(i, n_, h_, b_), lowest));
    largest(n_, h_, b_) = Halide::select(kept(n_), maximum_(n_, h_, b_), lowest);
    bind_scalars(largest);
  }

  void schedule() {
    const Var nb("nb");
    Func out = largest;
    out.split(n_, nb, lane_, warp::kTokens, Halide::TailStrategy::GuardWithIf)
        .split(nb, nb, ty_, 1)
        .fuse(nb, b_, block_)
        .reorder(lane_, ty_, block_, h_)
        .gpu_lanes(lane_)
        .gpu_threads(ty_)
        .gpu_blocks(block_, h_);
    stage_x({out, block_});
    maximum_.compute_at(out, lane_).update().reorder(over_i_.x, over_i_.y).unroll(over_i_.x);
    static_cast<Projected&>(*feature_map_).share_projection({maximum_, over_i_.y});
  }

 private:
  Func maximum_{"maximum"};
  RDom over_i_;
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::BatchPowerSum, batch_power_sum)
HALIDE_REGISTER_GENERATOR(luna::BatchTokenMaximum, batch_token_maximum)
