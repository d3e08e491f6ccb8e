// What the batched gradient passes share: the gradient that reaches the features,
//   dphi_n = state [scale_n v_n, last_n] (+ coefficient phi_n),
// for queries (state = S, z) and keys (state = R, -u), in registers of one tile and feature group.
#pragma once

#include "generators/attention/batch/batch_pass.h"

namespace luna {

template <typename Pass>
class GradPass : public BatchPass<Pass> {
 protected:
  using Base = BatchPass<Pass>;
  template <typename T>
  using Input = typename Base::template Input<T>;
  using Base::feature_map_, Base::features_, Base::values_, Base::last_;
  using Base::kColumnLanes, Base::kRowLanes;
  using Base::n_, Base::D_, Base::e_, Base::h_, Base::b_, Base::lane_, Base::size;
  using typename Base::Buffer3, typename Base::Buffer4;

 public:
  // The schedule: columns staged at a time, and of those multiplied between two loop branches.
  Halide::GeneratorParam<int> chunk{"chunk", 16}, unroll{"unroll", 1};
  Input<Buffer4> x{"x"}, v{"v"};
  Input<Buffer3> weight{"weight"}, scale{"scale"}, last{"last"};
  Input<Buffer4> state{"state"};  // (D, e, head, b), last column at size
  Input<Halide::Buffer<float, 1>> coefficient{"coefficient"};  // (D): of phi in dphi

 protected:
  static constexpr int kOwn = 8;  ///< features side by side in a lane
  static constexpr int kSpan = kOwn * kColumnLanes;
  static constexpr int kTokensOfLane = warp::kTokens / kRowLanes;

  /// dx or dt(a, n, h, b), a: the feature (elementwise maps, performer) or the projection.
  FeatureMap::Gradient gradient() {
    const Func phi = this->features(x, weight);
    this->columns(v, scale, last);
    this->bind_packed(state, {features_, int(size) + 1});
    this->bind_packed(coefficient, {features_});
    const Expr head = h_ * state.dim(2).extent() / x.dim(2).extent();
    state_(D_, e_, h_, b_) = state(D_, e_, head, b_);

    // Lane 4 f + c holds tokens 4 f .. and features 8 c .. of every 32.
    const int group = this->feature_group();
    const Expr n = nb_ * warp::kTokens + lane_ / kColumnLanes * kTokensOfLane + t_;
    const Expr D = g_ * group + u_ * kSpan + lane_ % kColumnLanes * kOwn + l_;
    over_e_ = RDom(0, chunk, 0, int(size) / int(chunk), "over_e");
    const Expr e = over_e_.y * int(chunk) + over_e_.x;
    sum_(l_, u_, t_, lane_, nb_, g_, h_, b_) = last_(n, h_, b_) * state(D, int(size), head, b_);
    sum_(l_, u_, t_, lane_, nb_, g_, h_, b_) += state_(D, e, h_, b_) * values_(e, n, h_, b_);
    sum_.bound(l_, 0, kOwn).bound(u_, 0, group / kSpan).bound(t_, 0, kTokensOfLane);
    sum_.bound(lane_, 0, warp::kLanes);
    Func dphi("dphi");
    dphi(D_, n_, h_, b_) =
        sum_(D_ % kOwn, D_ / kSpan % (group / kSpan), n_ % kTokensOfLane,
             n_ / kTokensOfLane % kRowLanes * kColumnLanes + D_ / kOwn % kColumnLanes,
             n_ / warp::kTokens, D_ / group, h_, b_) +
        Halide::select(this->kept(n_), coefficient(D_) * phi(D_, n_, h_, b_), 0.0f);
    return feature_map_->gradient(this->arguments_, dphi);
  }

  /// The product in registers, everything it reads in shared memory, at the loop over blocks.
  void schedule_product(const Halide::LoopLevel& block) {
    using Halide::MemoryType;
    sum_.compute_at(block).store_in(MemoryType::Register);
    sum_.bound_extent(nb_, 1).bound_extent(g_, 1).bound_extent(h_, 1).bound_extent(b_, 1);
    sum_.reorder(l_, u_, t_, lane_).unroll(l_).unroll(u_).unroll(t_).gpu_lanes(lane_);
    sum_.update()
        .reorder(l_, u_, t_, over_e_.x, lane_, over_e_.y)
        .unroll(l_)
        .unroll(u_)
        .unroll(t_)
        .gpu_lanes(lane_);
    if (int(unroll) > 1) sum_.update().unroll(over_e_.x, unroll);
    const Halide::LoopLevel at(sum_, over_e_.y);
    warp::stage_rows(state_, D_, e_, at, this->feature_group(), chunk);
    values_.compute_at(at).store_in(MemoryType::GPUShared).reorder_storage(n_, e_);
    values_.bound_extent(e_, chunk).bound_extent(n_, warp::kTokens);
    values_.align_storage(n_, warp::pitch(warp::kTokens));
    values_.reorder(e_, n_).vectorize(e_, warp::kVector).unroll(e_).gpu_lanes(n_);
    this->stage_scalar(last_, block);
    this->stage_kept_x(block);
    feature_map_->schedule_shared({block, this->feature_group(), true, true});
  }

  Var l_{"l"}, u_{"u"}, t_{"t"}, nb_{"nb"}, g_{"g"};
  Func sum_{"dphi_sum"}, state_{"state_chunk"};
  RDom over_e_;
};

}  // namespace luna
