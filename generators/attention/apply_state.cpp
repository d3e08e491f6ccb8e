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
    const Func phi = features(args, rows, static_width(q), Side::query);

    const Func den_sum =
        lane_sum("den_sum", features_, [&](const Expr& D) { return phi(D, n_) * z(D); });
    Func weighted_den("weighted_den"), factor("factor");
    weighted_den(n_) = weight_of(n_) * den_sum(n_);
    factor(n_) = weight_of(n_) / floor_at(weighted_den(n_) + add, clamp);
    store_product(out, S, phi, [&](const Expr& num) { return num * factor(n_); });
    den(n_) = weighted_den(n_);
    align(z);
    bind_features(z, 0);
    for (Func* f : {&weighted_den, &factor}) {
      f->compute_root().store_in(Halide::MemoryType::Stack).bound_storage(n_, tiles::kTokens);
      f->align_bounds(n_, 8);
    }
    feature_map_->schedule_features(get_target());
  }
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::ApplyState, apply_state)
