// grad_k: for a tile of keys, with the columns w [v, 1] and the augmented state gradient [R, -u]:
//   dphi = w (R v - u),   dk and the map's parameter sums from dphi,   dv = w R^T phi,
//   power = phi . dphi, from which the gradient of the token's weight follows as power / w.
#include "generators/attention/tile_pass.h"

namespace luna {

class GradK : public TilePass<GradK> {
 public:
  Input<Buffer2> k{"k"}, v{"v"};
  Input<Buffer1> weight{"weight"};
  Input<Buffer2> dstate{"dstate"};            // (D, e): R, -u
  Input<Buffer2> dstate_rows{"dstate_rows"};  // (e padded to kRowColumns, D): R

  Output<Buffer2> dk{"dk"}, dv{"dv"};
  Output<Buffer1> power{"power"};

  void configure() {
    add_map_inputs(Side::key, true);
    add_map_outputs();
  }

  void generate() {
    const Arguments args = arguments();
    tokens_ = k.dim(1).extent();
    weight_ = weight;
    free_stride(weight);
    free_stride(power);
    const Func rows = stage("k_rows", k, 1.0f, 0.0f);
    const Func columns = stage("v_columns", v, weight_of(n_), weight_of(n_));
    const Func phi = feature_map_->features(args, rows, static_width(k), Side::key);
    const Func dphi = state_gradient(dstate, columns, static_width(v));
    const FeatureMap::Gradient gradient = feature_map_->gradient(args, dphi, tokens_);
    const Halide::LoopLevel dx_at = store_gradient(dk, gradient.x);
    value_gradient(phi);
    weight_power(phi, dphi);
    bind_map_outputs(gradient.sums);
    feature_map_->schedule_features(get_target());
    feature_map_->schedule_gradient(get_target(), dx_at);
  }

 private:
  /// dv(e, n) = w_n sum_D R(D, e) phi(D, n).
  void value_gradient(const Func& phi) {
    using Halide::TailStrategy;
    const Halide::RDom over_D(0, dstate_rows.dim(1).extent(), "over_D");
    Func sum("dv_sum");
    sum(e_, n_) = 0.0f;
    sum(e_, n_) += dstate_rows(e_, over_D) * phi(over_D, n_);
    dv(e_, n_) = Halide::select(kept(n_), weight_of(n_) * sum(e_, n_), 0.0f);
    align(dstate_rows);
    static_width(dv);
    dv.dim(0).set_min(0).set_stride(1);
    dv.dim(1).set_bounds(0, tokens_);

    const int block = 2 * lanes();
    const Var no("no"), ni("ni"), eo("eo"), ei("ei");
    Func result = dv;
    result.split(n_, no, ni, 8, TailStrategy::GuardWithIf)
        .split(e_, eo, ei, block, TailStrategy::GuardWithIf)
        .reorder(ei, ni, eo, no)
        .vectorize(ei, lanes(), TailStrategy::GuardWithIf)
        .unroll(ni);
    sum.compute_at(result, eo).store_in(Halide::MemoryType::Register);
    sum.bound_extent(e_, block).bound_extent(n_, 8);
    sum.vectorize(e_, lanes()).unroll(e_).unroll(n_);
    sum.update().reorder(e_, n_, over_D).vectorize(e_, lanes()).unroll(e_).unroll(n_);
  }

  void weight_power(const Func& phi, const Func& dphi) {
    const Halide::RDom over_D(0, dstate.dim(0).extent(), "over_D_power");
    Func sum("power_sum");
    sum(n_) = 0.0f;
    sum(n_) += phi(over_D, n_) * dphi(over_D, n_);
    power(n_) = sum(n_);
    sum.compute_root().store_in(Halide::MemoryType::Stack).bound_storage(n_, tiles::kTokens);
    sum.update().atomic().vectorize(over_D, lanes());
  }
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::GradK, grad_k)
