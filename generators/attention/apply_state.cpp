// apply_state: den_n = w_n phi(q_n) z and out_n = w_n phi(q_n) S / max(den_n + add, clamp) for a
// tile of queries.
#include "generators/attention/tile_pass.h"

namespace luna {

class ApplyState : public TilePass<ApplyState> {
 public:
  Input<Buffer2> q{"q"};  // (d, N)
  Input<Buffer1> weight{"weight"};
  Input<Buffer2> S{"S"};  // (dv padded to kRowColumns, D)
  Input<Buffer1> z{"z"};  // (D)
  Input<float> add{"add"}, clamp{"clamp"};

  Output<Buffer2> out{"out"};  // (dv, N)
  Output<Buffer1> den{"den"};  // (N)

  void configure() { add_map_inputs(Side::query, false); }

  void generate() {
    const Arguments args = arguments();
    tokens_ = q.dim(1).extent();
    weight_ = weight;
    free_stride(weight);
    free_stride(den);
    const Func rows = stage("q_rows", q, 1.0f, 0.0f);
    phi_ = feature_map_->features(args, rows, static_width(q), Side::query);

    const Expr features = z.dim(0).extent();
    over_D_ = Halide::RDom(0, features, "over_D");
    over_block_ = Halide::RDom(0, features / tiles::kLanes, "over_block");
    over_lane_ = Halide::RDom(0, tiles::kLanes, "over_lane");
    num_(e_, n_) = 0.0f;
    num_(e_, n_) += phi_(over_D_, n_) * S(e_, over_D_);
    const Expr D = over_block_ * tiles::kLanes + lane_;
    den_lanes_(lane_, n_) = 0.0f;
    den_lanes_(lane_, n_) += phi_(D, n_) * z(D);
    den_sum_(n_) = 0.0f;
    den_sum_(n_) += den_lanes_(over_lane_, n_);
    weighted_den_(n_) = weight_of(n_) * den_sum_(n_);
    factor_(n_) = weight_of(n_) / floor_at(weighted_den_(n_) + add, clamp);
    out(e_, n_) = num_(e_, n_) * factor_(n_);
    den(n_) = weighted_den_(n_);
    constrain();
    schedule_outputs();
    feature_map_->schedule_features(get_target());
  }

 private:
  void constrain() {
    align(S);
    align(z);
    static_width(out);
    out.dim(0).set_min(0).set_stride(1);
    out.dim(1).set_bounds(0, tokens_);
  }

  void schedule_outputs() {
    using Halide::MemoryType;
    using Halide::TailStrategy;
    const Var no("no"), ni("ni"), eo("eo"), ei("ei");
    const int block = 2 * lanes();
    for (Func* f : {&den_lanes_, &den_sum_, &weighted_den_, &factor_}) {
      f->compute_root().store_in(MemoryType::Stack).bound_storage(n_, tiles::kTokens);
      f->align_bounds(n_, 8);
    }
    den_lanes_.bound(lane_, 0, tiles::kLanes).vectorize(lane_, lanes());
    den_lanes_.update().reorder(lane_, over_block_, n_).vectorize(lane_, lanes());
    den_sum_.update().atomic().vectorize(over_lane_);
    // Register block: 8 tokens x 2 vectors of columns, S read once for 8 tokens.
    Func result = out;
    result.split(n_, no, ni, 8, TailStrategy::GuardWithIf)
        .split(e_, eo, ei, block, TailStrategy::GuardWithIf)
        .reorder(ei, ni, eo, no)
        .vectorize(ei, lanes(), TailStrategy::GuardWithIf)
        .unroll(ni);
    num_.compute_at(result, eo).store_in(MemoryType::Register);
    num_.bound_extent(e_, block).bound_extent(n_, 8);
    num_.vectorize(e_, lanes()).unroll(e_).unroll(n_);
    num_.update().reorder(e_, n_, over_D_).vectorize(e_, lanes()).unroll(e_).unroll(n_);
  }

  Func phi_, num_{"num"}, den_lanes_{"den_lanes"}, den_sum_{"den_sum"};
  Func weighted_den_{"weighted_den"}, factor_{"factor"};
  Halide::RDom over_D_, over_block_, over_lane_;
  Var lane_{"lane"};
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::ApplyState, apply_state)
