// kv_state: adds phi(k_n) (x) w_n [v_n, 1] of a tile's tokens to the augmented state [D, dv + 1],
// whose last column is the normaliser z. w_n is the token's weight (key mask, envelope).
#include "generators/attention/tile_pass.h"

namespace luna {

class KvState : public TilePass<KvState> {
 public:
  Input<Buffer2> k{"k"}, v{"v"};  // (d, N), (dv, N), any row stride
  Input<Buffer1> weight{"weight"};
  Output<Buffer2> state{"state"};  // (D, e), accumulated in place

  void configure() { add_map_inputs(Side::key, false); }

  void generate() {
    const Arguments args = arguments();
    tokens_ = k.dim(1).extent();
    weight_ = weight;
    free_stride(weight);
    const Func rows = stage("k_rows", k, 1.0f, 0.0f);
    const Func columns = stage("v_columns", v, weight_of(n_), weight_of(n_));
    const Func phi = features(args, rows, static_width(k), Side::key);
    Func sum("state_sum");
    accumulate_state(sum, phi, columns);
    state = sum;
    align(state);
    bind_features(state, 0);
    feature_map_->schedule_features(get_target());
  }
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::KvState, kv_state)
