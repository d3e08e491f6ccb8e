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
  Output<Buffer1> power{"power"};  // (N), or empty where it is not wanted

  void configure() {
    add_map_inputs(Side::key, true);
    add_map_outputs();
  }

  void generate() {
    const Arguments args = arguments();
    tokens_ = k.dim(1).extent();
    weight_ = weight;
    free_stride(weight);
    const Func rows = stage("k_rows", k, 1.0f, 0.0f);
    const Func columns = stage("v_columns", v, weight_of(n_), weight_of(n_));
    const Func phi = features(args, rows, static_width(k), Side::key);
    const Func dphi = state_gradient(dstate, columns, static_width(v));
    const FeatureMap::Gradient gradient = feature_map_->gradient(args, dphi);
    const Halide::LoopLevel dx_at = store_gradient(dk, gradient.x);
    store_product(dv, dstate_rows, phi, [&](const Expr& sum) {
      return Halide::select(kept(n_), weight_of(n_) * sum, 0.0f);
    });
    weight_power(phi, dphi);
    bind_map_outputs(gradient.sums);
    feature_map_->schedule_features(get_target());
    feature_map_->schedule_gradient(get_target(), dx_at);
  }

 private:
  void weight_power(const Func& phi, const Func& dphi) {
    const Func dot =
        lane_sum("phi_dphi", features_, [&](const Expr& D) { return phi(D, n_) * dphi(D, n_); });
    power(n_) = dot(n_);
    power.dim(0).set_min(0).set_stride(Expr());
  }
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::GradK, grad_k)
