// Parameter sums of psi, batched: what the gradients of the table (pwl) or of the MLP (dense) need
// of every token, summed over the tokens of a slot. The sites of a tile are its tokens times a
// group of projections.
#include "generators/attention/batch/grad_pass.h"
#include "generators/feature_map/psi_dense.h"
#include "generators/feature_map/psi_pwl.h"

namespace luna {

template <typename Pass>
class SumsPass : public GradPass<Pass> {
 protected:
  using Base = GradPass<Pass>;
  template <typename T>
  using Input = typename Base::template Input<T>;
  using Base::D_, Base::n_, Base::h_, Base::b_, Base::lane_, Base::g_, Base::nb_, Base::t_;
  using Base::u_, Base::kOwn, Base::kColumnLanes, Base::kTokensOfLane, Base::size;
  using Buffer7 = Halide::Buffer<float, 7>;

 public:
  Input<int> slot_tokens{"slot_tokens"};  // multiple of kSlotAlign

 protected:
  /// Projections of a block.
  int projections() const { return this->feature_group() / this->feature_map_->channels(); }

  /// The gradient at psi in shared memory: what every lane needs of every site.
  void schedule_psi_gradient(Func& dpsi, const Halide::LoopLevel& tile) {
    const Var c("c"), Dr("Dr"), f("f"), r("r");
    dpsi.compute_at(tile).store_in(Halide::MemoryType::GPUShared);
    dpsi.bound_extent(D_, this->feature_group()).bound_extent(n_, warp::kTokens);
    dpsi.align_storage(D_, warp::pitch(this->feature_group()));
    dpsi.split(D_, u_, Dr, kOwn * kColumnLanes)
        .split(Dr, c, r, kOwn)
        .split(n_, f, t_, kTokensOfLane)
        .fuse(c, f, lane_)
        .reorder(r, u_, t_, lane_)
        .vectorize(r, warp::kVector)
        .unroll(r)
        .unroll(u_)
        .unroll(t_)
        .gpu_lanes(lane_);
    this->schedule_product(tile);
  }

  Var l_{"l"}, slot_{"slot"};
};

/// pwl: g(l, c, half, row, slot, h, b): sums over the sites on a segment of dphi (c = 0) and of
/// dphi t (c = 1), one half of each tile's tokens each; added in place.
class BatchGradSumsPwl : public SumsPass<BatchGradSumsPwl> {
 public:
  Output<Buffer7> g{"g"};

  void configure() { add_map(); }

  void generate() {
    gradient();
    auto& pwl = static_cast<PsiPwl&>(*feature_map_);
    const int L = pwl.channels(), m = projections();
    sites_ = RDom(0, m, 0, warp::kTokens / 2, 0, features_ / (m * L), 0,
                  slot_tokens / warp::kTokens, "sites");
    const Expr i = sites_.z * m + sites_.x;
    const Expr n =
        slot_ * (slot_tokens / tiles::kSlotAlign * tiles::kSlotAlign) + sites_.w * warp::kTokens + half_ * (warp::kTokens / 2) + sites_.y;
    const Expr row = Halide::unsafe_promise_clamped(pwl.row()(i, n, h_, b_), 0,
                                                    g.dim(3).extent() - 1);
    const Expr t = pwl.projection()(i, n, h_, b_);
    g(l_, c_, half_, row_, slot_, h_, b_) = Halide::undef<float>();
    g(l_, c_, half_, row, slot_, h_, b_) += pwl.psi_gradient()(i * L + l_, n, h_, b_) *
                                            Halide::select(c_ == 0, 1.0f, t);
    bind_packed(g, {L, 2, 2});
  }

  void schedule() {
    if (!using_autoscheduler() && get_target().has_gpu_feature()) {
      schedule_blocks();
    }
  }

 private:
  void schedule_blocks() {
    const Var lc("lc");
    Func out = g;
    out.bound(l_, 0, 8).bound(c_, 0, 2).bound(half_, 0, 2);
    out.update()
        .fuse(l_, c_, lc)
        .fuse(lc, half_, lane_)
        .split(slot_, slot_, ty_, 1)
        .reorder(sites_.x, sites_.y, lane_, ty_, sites_.z, sites_.w, slot_, h_, b_)
        .gpu_lanes(lane_)
        .gpu_threads(ty_)
        .gpu_blocks(slot_, h_, b_);
    schedule_psi_gradient(static_cast<PsiPwl&>(*feature_map_).psi_gradient(), {out, sites_.z});
  }

  Var c_{"c"}, half_{"half"}, row_{"row"};
  RDom sites_;
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::BatchGradSumsPwl, batch_grad_sums_pwl)
