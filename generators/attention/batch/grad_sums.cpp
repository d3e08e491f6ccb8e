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
  using Base::u_, Base::features_, Base::kOwn, Base::kColumnLanes, Base::kTokensOfLane, Base::size;

 public:
  Input<int> slot_tokens{"slot_tokens"};  // multiple of kSlotAlign

 protected:
  /// Projections of a feature group.
  int projections() const { return this->feature_group() / this->feature_map_->channels(); }

  /// The sites of a slot: projection and token (of the first `tokens` of a tile), group, tile.
  void tile_sites(int tokens) {
    const Expr groups = features_ / this->feature_group();
    sites_ = RDom(0, projections(), 0, tokens, 0, groups, 0, slot_tokens / warp::kTokens, "sites");
  }
  Expr projection() const { return sites_.z * projections() + sites_.x; }
  /// Token number `of_tile` of the tile.
  Expr token(const Expr& of_tile) const {
    const Expr first = slot_ * (slot_tokens / tiles::kSlotAlign * tiles::kSlotAlign);
    return first + sites_.w * warp::kTokens + of_tile;
  }

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

  Var slot_{"slot"};
  RDom sites_;
};

/// pwl: g(a, row, slot, h, b), added in place: sums over the sites on a segment of the gradient at
/// psi_l (c = 0) and of its product with t (c = 1), a = l + L c + 2 L f where f tells the halves of
/// a tile's tokens.
class BatchGradSumsPwl : public SumsPass<BatchGradSumsPwl> {
 public:
  Output<Buffer5> g{"g"};

  void configure() { add_map(); }

  void generate() {
    gradient();
    auto& pwl = static_cast<PsiPwl&>(*feature_map_);
    const int L = pwl.channels(), half = warp::kTokens / 2;
    tile_sites(half);
    const Expr i = projection(), n = token(a_ / (2 * L) * half + sites_.y);
    const Expr row =
        Halide::unsafe_promise_clamped(pwl.row()(i, n, h_, b_), 0, g.dim(1).extent() - 1);
    const Expr t = pwl.projection()(i, n, h_, b_);
    g(a_, row_, slot_, h_, b_) = Halide::undef<float>();
    g(a_, row, slot_, h_, b_) +=
        pwl.psi_gradient()(i * L + a_ % L, n, h_, b_) * Halide::select(a_ / L % 2 == 0, 1.0f, t);
    bind_packed(g, {warp::kLanes});
  }

  void schedule() {
    Func out = g;
    out.bound(a_, 0, warp::kLanes);
    out.gpu_blocks(row_, slot_, h_);  // no code: what is there stays
    out.update()
        .split(slot_, slot_, ty_, 1)
        .fuse(slot_, b_, block_)
        .reorder(sites_.x, sites_.y, a_, ty_, sites_.z, sites_.w, block_, h_)
        .gpu_lanes(a_)
        .gpu_threads(ty_)
        .gpu_blocks(block_, h_);
    schedule_psi_gradient(static_cast<PsiPwl&>(*feature_map_).psi_gradient(), {out, sites_.z});
  }

 private:
  Var a_{"a"}, row_{"row"};
};

/// dense: sums(u, k, slot, h, b) over all sites, u: the hidden unit, k: dw2 of every channel, dw1,
/// db1, db2 of every channel (the same at every u).
class BatchGradSumsDense : public SumsPass<BatchGradSumsDense> {
 public:
  Output<Buffer5> sums{"sums"};

  void configure() { add_map(); }

  void generate() {
    gradient();
    auto& dense = static_cast<PsiDense&>(*feature_map_);
    const int L = dense.channels();
    tile_sites(warp::kTokens);
    const Expr i = projection(), n = token(sites_.y), u = uo_ * warp::kLanes + lane_;
    const Expr dlinear = dense.linear_gradient()(u, i, n, h_, b_);
    const Expr t = dense.projection()(i, n, h_, b_);
    const auto dpsi = [&](const Expr& l) {
      return dense.psi_gradient()(i * L + Halide::clamp(l, 0, L - 1), n, h_, b_);
    };
    sum_(k_, lane_, uo_, slot_, h_, b_) = 0.0f;
    sum_(k_, lane_, uo_, slot_, h_, b_) +=
        Halide::select(k_ < L, dense.unit(u, i, n) * dpsi(k_), k_ == L, dlinear * t, k_ == L + 1,
                       dlinear, dpsi(k_ - (L + 2)));
    sums(u_, k_, slot_, h_, b_) = sum_(k_, u_ % warp::kLanes, u_ / warp::kLanes, slot_, h_, b_);
    const Expr hid = arguments_.shapes.at("w1").dim(0).extent();
    bind_packed(sums, {hid / tiles::kUnits * tiles::kUnits, 2 * L + 2});
  }

  void schedule() {
    auto& dense = static_cast<PsiDense&>(*feature_map_);
    const Var us("us");
    Func out = sums;
    out.bound(k_, 0, 2 * dense.channels() + 2);
    out.split(u_, uo_, lane_, warp::kLanes, Halide::TailStrategy::RoundUp)
        .split(uo_, uo_, ty_, 1)
        .fuse(uo_, slot_, us)
        .fuse(us, b_, block_)
        .reorder(k_, lane_, ty_, block_, h_)
        .unroll(k_)
        .gpu_lanes(lane_)
        .gpu_threads(ty_)
        .gpu_blocks(block_, h_);
    sum_.compute_at(out, block_).store_in(Halide::MemoryType::Register);
    sum_.bound(lane_, 0, warp::kLanes).bound_extent(uo_, 1).bound_extent(slot_, 1);
    sum_.bound_extent(h_, 1).bound_extent(b_, 1).unroll(k_).gpu_lanes(lane_);
    sum_.update()
        .reorder(k_, sites_.x, sites_.y, lane_, sites_.z, sites_.w)
        .unroll(k_)
        .gpu_lanes(lane_);
    dense.unit_gradient().compute_at(sum_, sites_.x).update().unroll(dense.over_channels());
    schedule_psi_gradient(dense.psi_gradient(), {sum_, sites_.z});
  }

 private:
  Var u_{"u"}, k_{"k"}, uo_{"uo"};
  Func sum_{"sums_of_units"};
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::BatchGradSumsDense, batch_grad_sums_dense)
HALIDE_REGISTER_GENERATOR(luna::BatchGradSumsPwl, batch_grad_sums_pwl)
