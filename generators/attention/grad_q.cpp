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
    const Func phi = features(args, rows, static_width(q), Side::query);
    const Func columns = gradient_columns();
    const Func dphi = state_gradient(state, columns, static_width(grad));
    const FeatureMap::Gradient gradient = feature_map_->gradient(args, dphi);
    const Halide::LoopLevel dx_at = store_gradient(dq, gradient.x);
    Func sum("dstate_sum");
    accumulate_state(sum, phi, columns);
    dstate = sum;
    align(dstate);
    bind_features(dstate, 0);
    bind_map_outputs(gradient.sums);
    feature_map_->schedule_features(get_target());
    feature_map_->schedule_gradient(get_target(), dx_at);
  }

 private:
  /// w [g / r, -s] of each token. s is summed from the very columns that S is multiplied with:
  /// where S w and s z cancel (one key, constant features), their rounding errors then cancel too.
  Func gradient_columns() {
    const Expr row = Halide::min(n_, Halide::max(tokens_ - 1, 0));
    const Expr width = static_width(grad);
    const Expr raw = den(row) + add;
    Func inverse("inverse"), s("s");
    inverse(n_) = weight_of(n_) / floor_at(raw, clamp);
    const Func o_rows = stage("o_rows", o, 1.0f, 0.0f);
    const Func dot = lane_sum("dot", width, [&](const Expr& e) {
      const Expr column = Halide::min(e, width - 1);
      return o_rows(e, n_) * (inverse(n_) * grad(column, row));
    });
    s(n_) = Halide::strict_float(Halide::select(raw < clamp, 0.0f, dot(n_)));
    for (Func* f : {&inverse, &s}) {
      f->compute_root().store_in(Halide::MemoryType::Stack).bound_storage(n_, tiles::kTokens);
    }
    return stage("g_columns", grad, inverse(n_), -s(n_));
  }
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::GradQ, grad_q)
