// CUDA, features in memory: the parameter sums of psi, what the gradients of the table (pwl) or of
// the MLP (dense) need of every token, summed over slots of tokens. Sites are tokens times
// projections.
#include "generators/attention/map_pass.h"
#include "generators/feature_map/psi_dense.h"
#include "generators/feature_map/psi_pwl.h"

namespace luna {

template <typename Pass>
class RowsSums : public MapPass<Pass> {
 protected:
  using Base = MapPass<Pass>;
  using Buffer2 = Halide::Buffer<float, 2>;
  template <typename T>
  using Input = typename Base::template Input<T>;
  template <typename T>
  using Output = typename Base::template Output<T>;
  using Base::feature_map_, Base::features_, Base::D_, Base::n_;

 public:
  Input<Buffer2> phi{"phi"}, dphi{"dphi"};  // (D, n)
  Input<int> slot_tokens{"slot_tokens"};    // multiple of kSlotAlign

  void configure() { this->add_map_inputs(false, Form::rows); }

 protected:
  static constexpr int kSites = 8;  ///< projections of a tile

  /// The map's gradient; tokens beyond the last one have none.
  void gradient() {
    Arguments args = this->arguments();
    const Expr tokens = phi.dim(1).extent(), n = Halide::min(n_, tokens - 1);
    Func t("t_within");
    const Var i("i");
    t(i, n_) = args.buffers.at("t")(i, n);
    phi_within_(D_, n_) = phi(D_, n);
    dphi_within_(D_, n_) = Halide::select(n_ < tokens, dphi(D_, n), 0.0f);
    args.buffers["t"] = t;
    args.buffers["phi"] = phi_within_;
    features_ = feature_map_->padded_features(args, 0);
    feature_map_->features(args, {phi, 0, tokens, features_});
    feature_map_->gradient(args, dphi_within_);
    shapes_ = args.shapes;
    for (auto* rows : {&phi, &dphi}) {
      rows->dim(0).set_bounds(0, features_);
      rows->dim(1).set_min(0);
    }
  }
  /// The sites of a slot: projection and token of a tile, group of projections, tile.
  void tile_sites(int tokens) {
    const Expr groups = features_ / (kSites * feature_map_->channels());
    sites_ = Halide::RDom(0, kSites, 0, tokens, 0, groups, 0, slot_tokens / warp::kTokens, "sites");
  }
  Expr projection() const { return sites_.z * kSites + sites_.x; }
  Expr token(const Expr& of_tile) const {
    return slot_ * (slot_tokens / tiles::kSlotAlign * tiles::kSlotAlign) +
           sites_.w * warp::kTokens + of_tile;
  }
  /// A dense output (a, b, slot), its first two extents given.
  template <typename Sums>
  static void bind(Sums& sums, const Expr& first, const Expr& second) {
    sums.set_host_alignment(warp::kVector * sizeof(float));
    sums.dim(0).set_bounds(0, first).set_stride(1);
    sums.dim(1).set_bounds(0, second).set_stride(first);
    sums.dim(2).set_min(0).set_stride(first * second);
  }

  Var slot_{"slot"}, lane_{"lane"}, ty_{"ty"};
  Func phi_within_{"phi_within"}, dphi_within_{"dphi_within"};
  Halide::RDom sites_;
  std::map<std::string, Halide::OutputImageParam> shapes_;
};

/// pwl: g(a, row, slot), added in place: sums over the sites on a segment of the gradient at psi_l
/// (c = 0) and of its product with t (c = 1), a = l + L c + 2 L f where f tells the halves of a
/// tile's tokens.
class RowsSumsPwl : public RowsSums<RowsSumsPwl> {
 public:
  Output<Halide::Buffer<float, 3>> g{"g"};

  void generate() {
    gradient();
    auto& pwl = static_cast<PsiPwl&>(*feature_map_);
    const int L = pwl.channels(), half = warp::kTokens / 2;
    tile_sites(half);
    const Expr rows = g.dim(1).extent(), i = projection(),
               n = token(a_ / (2 * L) * half + sites_.y);
    const Expr row = Halide::unsafe_promise_clamped(pwl.row()(i, n), 0, rows - 1);
    g(a_, row_, slot_) = Halide::undef<float>();
    g(a_, row, slot_) += pwl.psi_gradient()(i * L + a_ % L, n) *
                         Halide::select(a_ / L % 2 == 0, 1.0f, pwl.projection()(i, n));
    bind(g, warp::kLanes, rows);
  }

  void schedule() {
    Func out = g;
    out.bound(a_, 0, warp::kLanes);
    out.gpu_blocks(row_, slot_);  // no code: what is there stays
    out.update()
        .split(slot_, slot_, ty_, 1)
        .reorder({sites_.x, sites_.y, a_, ty_, sites_.z, sites_.w, slot_})
        .gpu_lanes(a_)
        .gpu_threads(ty_)
        .gpu_blocks(slot_);
    static_cast<PsiPwl&>(*feature_map_).share_row({out, sites_.z}, kSites);
  }

 private:
  Var a_{"a"}, row_{"row"};
};

/// dense: sums(u, k, slot) over all sites, u: the hidden unit, k: dw2 of every channel, dw1, db1,
/// db2 of every channel (the same at every u).
class RowsSumsDense : public RowsSums<RowsSumsDense> {
 public:
  Output<Halide::Buffer<float, 3>> sums{"sums"};

  void generate() {
    gradient();
    auto& dense = static_cast<PsiDense&>(*feature_map_);
    const int L = dense.channels();
    tile_sites(warp::kTokens);
    const Expr i = projection(), n = token(sites_.y), u = uo_ * warp::kLanes + lane_;
    const Expr dlinear = dense.linear_gradient()(u, i, n), t = dense.projection()(i, n);
    const auto dpsi = [&](const Expr& l) {
      return dense.psi_gradient()(i * L + Halide::clamp(l, 0, L - 1), n);
    };
    sum_(k_, lane_, uo_, slot_) = 0.0f;
    sum_(k_, lane_, uo_, slot_) +=
        Halide::select(k_ < L, dense.unit(u, i, n) * dpsi(k_), k_ == L, dlinear * t, k_ == L + 1,
                       dlinear, dpsi(k_ - (L + 2)));
    sums(u_, k_, slot_) = sum_(k_, u_ % warp::kLanes, u_ / warp::kLanes, slot_);
    bind(sums, shapes_.at("w1").dim(0).extent() / tiles::kUnits * tiles::kUnits, 2 * L + 2);
  }

  void schedule() {
    auto& dense = static_cast<PsiDense&>(*feature_map_);
    const Var block("block");
    Func out = sums;
    out.bound(k_, 0, 2 * dense.channels() + 2);
    out.split(u_, uo_, lane_, warp::kLanes, Halide::TailStrategy::RoundUp)
        .split(uo_, uo_, ty_, 1)
        .fuse(uo_, slot_, block)
        .reorder(k_, lane_, ty_, block)
        .unroll(k_)
        .gpu_lanes(lane_)
        .gpu_threads(ty_)
        .gpu_blocks(block);
    sum_.compute_at(out, block).store_in(Halide::MemoryType::Register);
    sum_.bound(lane_, 0, warp::kLanes).bound_extent(uo_, 1).bound_extent(slot_, 1);
    sum_.unroll(k_).gpu_lanes(lane_);
    sum_.update()
        .reorder({k_, sites_.x, sites_.y, lane_, sites_.z, sites_.w})
        .unroll(k_)
        .gpu_lanes(lane_);
    dense.psi_gradient().compute_at(sum_, sites_.x).store_in(Halide::MemoryType::Register);
    dense.psi_gradient().unroll(D_);
    dense.unit_gradient().compute_at(sum_, sites_.x).update().unroll(dense.over_channels());
  }

 private:
  Var u_{"u"}, k_{"k"}, uo_{"uo"};
  Func sum_{"sums_of_units"};
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::RowsSumsDense, rows_sums_dense)
HALIDE_REGISTER_GENERATOR(luna::RowsSumsPwl, rows_sums_pwl)
