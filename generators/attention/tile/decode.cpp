// Decoding: rows of one key head's state take a token in and are read by its queries at once, while
// they are in the nearest cache:
//   S(e, f) += phi_k(f) v(e)                  z(f) += phi_k(f)
//   out(e, g) += sum_f phi_q(f, g) S(e, f)    den(g) += sum_f phi_q(f, g) z(f)
#include "generators/attention/tile/tile.h"

namespace luna {

class TileDecode : public TilePipeline<TileDecode> {
 public:
  Input<Buffer1> phi_k{"phi_k"};  // (f)
  Input<Buffer2> phi_q{"phi_q"};  // (g, f)
  Input<Buffer1> v{"v"};          // (e)
  // Before and after, the same memory. (Loads of an output that is updated in place are taken for
  // aligned, and a user's rows need not be.)
  Input<Buffer2> old_state{"old_state"};  // (e, f), any distance between rows
  Input<Buffer1> old_norm{"old_norm"};    // (f)
  Output<Buffer2> state{"state"};
  Output<Buffer1> norm{"norm"};
  Output<Buffer2> part{"part"};  // (e, g): what these rows add to out
  Output<Buffer2> out{"out"};    // (e, g), added to
  Output<Buffer1> den{"den"};    // (g), added to

  void generate() {
    const RDom over_f(0, phi_k.dim(0).extent(), "over_f");
    Func S("S"), z("z"), sum("sum"), numerator("numerator"), denominator("denominator");
    S(j_, f_) = old_state(j_, f_) + phi_k(f_) * v(j_);
    z(f_) = old_norm(f_) + phi_k(f_);
    sum(j_, n_) = 0.0f;
    sum(j_, n_) += phi_q(n_, over_f) * S(j_, over_f);
    numerator(j_, n_) = Halide::undef<float>();
    numerator(j_, n_) += sum(j_, n_);
    denominator(n_) = Halide::undef<float>();
    denominator(n_) += phi_q(n_, over_f) * z(over_f);
    state = S;
    norm = z;
    part = sum;
    out = numerator;
    den = denominator;

    for (auto* rows : {&part, &out}) {
      rows->dim(0).set_min(0).set_stride(1).set_extent(v.dim(0).extent());
      rows->dim(1).set_min(0);
    }
    bind_rows(old_state);
    bind_rows(state);
    state.dim(0).set_extent(v.dim(0).extent());
    state.dim(1).set_extent(phi_k.dim(0).extent()).set_stride(old_state.dim(1).stride());
    norm.dim(0).set_bounds(0, phi_k.dim(0).extent());
    phi_q.dim(0).set_min(0).set_stride(Expr());
    phi_q.dim(1).set_bounds(0, phi_k.dim(0).extent()).set_stride(1);
    bind_scalars(den);
    S.vectorize(j_, lanes(), kGuard);
    z.vectorize(f_, lanes(), kGuard);
    sum.vectorize(j_, lanes(), kGuard);
    sum.update().reorder(j_, over_f, n_).vectorize(j_, lanes(), kGuard);
    numerator.update().vectorize(j_, lanes(), kGuard);
  }

 private:
  Var f_{"f"};
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::TileDecode, tile_decode)
