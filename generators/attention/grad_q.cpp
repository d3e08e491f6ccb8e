// grad_q: for a tile of queries, with r = max(den + add, clamp) and s = o . g / r (0 where the
// clamp holds),
//   dphi = S g/r - s z,   dq and the map's parameter sums from dphi,   R += phi (x) g/r,   u += s
//   phi.
// S, z and R, -u are the augmented states [D, dv + 1]; the columns are w [g/r, -s].
#include "generators/attention/tile_pass.h"

namespace luna {

class GradQ : public TilePass<GradQ> {
 public:
  Input<Buffer2> q{"q"}, grad{"grad"}, o{"o"};  // (d, N), (dv, N), (dv, N)
  Input<Buffer1> den{"den"}, weight{"weight"};
  Input<Buffer2> state{"state"};  // (D, e): S, z
  Input<float> add{"add"}, clamp{"clamp"};

  Output<Buffer2> dq{"dq"};
  Output<Buffer2> dstate{"dstate"};  // (D, e): R, -u, accumulated in place

  void configure() {
    add_map_inputs(Side::query, true);
    add_map_outputs();
  }

  void generate() {
    const Arguments args = arguments();
    tokens_ = q.dim(1).extent();
    weight_ = weight;
    free_stride(weight);
    free_stride(den);
    const Func rows = stage("q_rows", q, 1.0f, 0.0f);
    const Func phi = feature_map_->features(args, rows, static_width(q), Side::query);
    const Func columns = gradient_columns();
    const Func dphi = state_gradient(state, columns, static_width(grad));
    const FeatureMap::Gradient gradient = feature_map_->gradient(args, dphi, tokens_);
    const Halide::LoopLevel dx_at = store_gradient(dq, gradient.x);
    Func sum("dstate_sum");
    accumulate_state(sum, phi, columns);
    dstate = sum;
    align(dstate);
    bind_map_outputs(gradient.sums);
    feature_map_->schedule_features(get_target());
    feature_map_->schedule_gradient(get_target(), dx_at);
  }

 private:
  /// w [g / r, -s] of each token.
  Func gradient_columns() {
    const Expr row = Halide::min(n_, Halide::max(tokens_ - 1, 0));
    const Expr raw = den(row) + add;
    const Halide::RDom over_e(0, static_width(grad), "over_e_dot");
    Func dot("dot"), inverse("inverse"), s("s");
    static_width(o);
    o.dim(0).set_min(0).set_stride(1);
    o.dim(1).set_min(0);
    dot(n_) = 0.0f;
    dot(n_) += o(over_e, row) * grad(over_e, row);
    inverse(n_) = 1.0f / floor_at(raw, clamp);
    s(n_) = Halide::strict_float(
        Halide::select(raw < clamp, 0.0f, dot(n_) * inverse(n_) * weight_of(n_)));
    for (Func* f : {&dot, &inverse, &s}) {
      f->compute_root().store_in(Halide::MemoryType::Stack).bound_storage(n_, tiles::kTokens);
    }
    dot.update().atomic().vectorize(over_e, lanes(), Halide::TailStrategy::GuardWithIf);
    return stage("g_columns", grad, weight_of(n_) * inverse(n_), -s(n_));
  }
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::GradQ, grad_q)
