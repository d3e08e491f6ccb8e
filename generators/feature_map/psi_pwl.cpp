// LUNA's psi as an exact piecewise-linear function of t (ReLU MLP): phi_l = max(a_s,l t + c_s,l,
// floor) on the segment s that t lies in, found by counting knots <= t in a 16-ary search tree.
// Backward: sums of dphi and dphi t over each segment carry everything that the gradients of psi's
// parameters need.
#include "generators/feature_map/psi_pwl.h"

#include "generators/common/numeric.h"
#include "generators/common/tiles.h"
#include "generators/common/warp.h"

namespace luna {

using Halide::Float;
using Halide::Int;
using Halide::MemoryType;
using Halide::unsafe_promise_clamped;

std::vector<Argument> PsiPwl::inputs() const {
  std::vector<Argument> list = {{"t", Float(32), 2}, {"segment", Int(32), 2}};  // (n, i)
  if (!located_) list = Projected::inputs();
  list.push_back(
      {"first_row", Int(32), 1});  // (i): row of projection i's first segment in the table
  if (options_.form != Form::tile) {
    list.push_back({"knots", Float(32), 1});  // ascending, padded with +inf to 2^halvings
    list.push_back({"halvings", Int(32), 0});
  } else if (!located_) {
    list.push_back({"search", Float(32), 2, tiles::kSearchWidth});  // (16, node), padded with +inf
  }
  // (2 L, row): slopes, then intercepts
  list.push_back({"table", Float(32), 2, 2 * tiles::kChannels});
  list.push_back({"segments", Int(32), 0});  // K + 1
  list.push_back({"floor", Float(32), 0});
  return list;
}

std::vector<Argument> PsiPwl::gradient_inputs() const {
  auto list = Projected::gradient_inputs();
  if (located_) list.push_back({"dt", Float(32), 2});  // (i, n)
  return list;
}

std::vector<Argument> PsiPwl::gradient_outputs() const {
  auto list = Projected::gradient_outputs();
  if (located_) return list;
  list.push_back({"g0", Float(32), 2});  // (l, row): sum of dphi
  list.push_back({"g1", Float(32), 2});  // (l, row): sum of dphi t
  return list;
}

Expr PsiPwl::padded_features(const Arguments& arguments, const Expr&) const {
  const int step = tiles::projection_block(channels());
  return arguments.shapes.at("first_row").dim(0).extent() / step * step * channels();
}

void PsiPwl::take_sites(const Arguments& arguments, const TokenTile& tile) {
  tile_ = tile;
  projections_ = own_projections_ = tile.features / channels();
  t_(i_, n_) = arguments.buffers.at("t")(n_, i_);
  define_row(arguments, arguments.buffers.at("segment")(n_, i_));
}

/// row_(i, n) = first_row(i) + #{knots <= t(i, n)}.
void PsiPwl::search(const Arguments& arguments) {
  search_.emplace(arguments.buffers.at("search"), options_.levels, at(i_, n_), t_(at(i_, n_)));
  define_row(arguments, search_->passed);
}

/// The same count on a GPU, any number of knots: a binary search of the sorted knots.
void PsiPwl::halve(const Arguments& arguments) {
  const Expr halvings = arguments.scalars.at("halvings");
  const Expr last = arguments.shapes.at("knots").dim(0).extent() - 1;
  halvings_ = RDom(0, halvings, "halvings");
  const Expr step = Halide::cast<int>(1) << (halvings - 1 - halvings_);
  segment_(at(i_, n_)) = 0;
  const Expr passed = segment_(at(i_, n_));
  const Expr knot =
      arguments.buffers.at("knots")(unsafe_promise_clamped(passed + step - 1, 0, last));
  segment_(at(i_, n_)) += Halide::select(knot <= t_(at(i_, n_)), step, 0);
  define_row(arguments, segment_(at(i_, n_)));
}

void PsiPwl::define_row(const Arguments& arguments, const Expr& segment) {
  row_(at(i_, n_)) = arguments.buffers.at("first_row")(i_) +
                     Halide::min(segment, arguments.scalars.at("segments") - 1);
}

Func PsiPwl::features(const Arguments& arguments, const TokenTile& tile) {
  if (located_) {
    take_sites(arguments, tile);
  } else {
    project(arguments, tile);
    options_.form == Form::tile ? search(arguments) : halve(arguments);
  }
  const int L = tiles::kChannels;
  const Func& table = arguments.buffers.at("table");
  floor_ = arguments.scalars.at("floor");
  rows_ = arguments.shapes.at("table").dim(1).extent();
  const Expr row = unsafe_promise_clamped(row_(at(D_ / L, n_)), 0, rows_ - 1);
  psi_(at(D_, n_)) = table(D_ % L, row) * t_(at(D_ / L, n_)) + table(D_ % L + L, row);
  phi_(at(D_, n_)) = floor_at(psi_(at(D_, n_)), floor_);
  return phi_;
}

FeatureMap::Gradient PsiPwl::gradient(const Arguments& arguments, const Func& dphi) {
  if (located_) {
    dt_(i_, n_) = arguments.buffers.at("dt")(i_, n_);
    return project_back(arguments);
  }
  const int L = tiles::kChannels;
  const Func& table = arguments.buffers.at("table");
  const Var l("l"), row("row");
  over_l_ = RDom(0, L, "over_l");
  const Func phi = options_.form == Form::rows ? arguments.buffers.at("phi") : phi_;
  dpsi_(at(D_, n_)) = floor_gradient(phi(at(D_, n_)), floor_, dphi(at(D_, n_)));
  dt_(at(i_, n_)) = 0.0f;
  slope_(at(l, i_, n_)) = table(l, unsafe_promise_clamped(row_(at(i_, n_)), 0, rows_ - 1));
  dt_(at(i_, n_)) += dpsi_(at(i_ * L + over_l_, n_)) * slope_(at(over_l_, i_, n_));
  Gradient result = project_back(arguments);
  if (options_.form != Form::tile) {
    return result;
  }

  sites_ = RDom(0, projections_, 0, tile_.summed, "sites");
  const Expr site_row = unsafe_promise_clamped(row_(sites_.x, sites_.y), 0, rows_ - 1);
  const Expr dpsi = dpsi_(sites_.x * L + l, sites_.y);
  l_ = l;
  g0_(l, row) = Halide::undef<float>();
  g0_(l, site_row) += dpsi;
  g1_(l, row) = Halide::undef<float>();
  g1_(l, site_row) += dpsi * t_(sites_.x, sites_.y);
  result.sums.push_back({g0_, {L, rows_}});
  result.sums.push_back({g1_, {L, rows_}});
  return result;
}

void PsiPwl::schedule_features(const Halide::Target& target, Func out) {
  // One projection's search is 2 vector compares and its features one vector. Two at a time: of 8,
  // LLVM gathers the population counts into one emulated vector count, which costs 10 % of forward.
  const Var Do("Do"), Di("Di"), site("site");
  out.split(D_, Do, Di, tiles::kChannels, Halide::TailStrategy::RoundUp)
      .split(Do, Do, site, 2, Halide::TailStrategy::RoundUp)
      .reorder(Di, site, Do, n_)
      .vectorize(Di)
      .unroll(site);
  row_.compute_at(out, site).store_in(MemoryType::Register);
  if (located_) return;
  schedule_projection(target);
  search_->schedule({out, site});
}

void PsiPwl::schedule_gradient(const Halide::Target& target, const GradientLoops& at) {
  Projected::schedule_gradient(target, at);
  if (located_) return;
  const int lanes = target.natural_vector_size<float>();
  const Var site("site"), io("io");
  per_tile(row_).split(i_, io, site, 2, Halide::TailStrategy::RoundUp).unroll(site);
  search_->schedule({row_, site});
  per_tile(dpsi_).vectorize(D_, tiles::kChannels, Halide::TailStrategy::RoundUp);
  per_tile(dt_).vectorize(i_, lanes, Halide::TailStrategy::RoundUp);
  dt_.update().reorder(over_l_, i_, n_).atomic().vectorize(over_l_).unroll(i_, 4);
  for (Func* sums : {&g0_, &g1_}) {
    sums->update()
        .vectorize(l_, tiles::kChannels)
        .unroll(sites_.x, 4, Halide::TailStrategy::GuardWithIf);
  }
}

void PsiPwl::schedule_rows(Func out) {
  // Sites are located by a thread each, four tokens side by side; two threads then share a site.
  const warp::RowTile tile = rows({warp::kVector, warp::kLanes, 8});
  const int sites = tile.columns() / tiles::kChannels, together = 4;
  const Var four("four");
  warp::by_rows(out, tile);
  row_.compute_at(out, warp::row_block()).store_in(MemoryType::GPUShared);
  row_.bound_extent(i_, sites).bound_extent(n_, tile.rows() * tile.tokens);
  row_.split(n_, four, n_, together)
      .split(four, warp::row_place(), four, warp::kLanes / sites)
      .fuse(i_, four, warp::row_thread())
      .reorder(n_, warp::row_thread(), warp::row_place())
      .unroll(n_)
      .gpu_threads(warp::row_thread(), warp::row_place());
  segment_.compute_at(row_, warp::row_thread()).store_in(MemoryType::Register).unroll(n_);
  segment_.bound_extent(i_, 1)
      .bound_extent(n_, together)
      .update()
      .reorder(n_, halvings_)
      .unroll(n_);
}

void PsiPwl::schedule_rows_gradient(Func out) {
  warp::by_rows(out, rows({1, 16, 8}));
  warp::of_column(dpsi_, out).vectorize(D_, warp::kVector).unroll(D_);
  const Var l = slope_.args()[0];
  warp::of_column(slope_, out).vectorize(l, warp::kVector).unroll(l);
  warp::of_column(dt_, out).update().unroll(over_l_);
  warp::of_column(segment_, out);
}

void PsiPwl::schedule_shared(const SharedTile& tile) {
  Projected::schedule_shared(tile);
  const Var site("site"), l("l");
  phi_.split(Di_, site, l, tiles::kChannels).vectorize(l, warp::kVector).unroll(l).unroll(site);
  Halide::LoopLevel search_at(phi_, Do_);
  if (tile.sites) {
    share_sites(row_, tile);
    search_at = Halide::LoopLevel(row_, io_);
  }
  search_in(search_at);
}

void PsiPwl::share_row(const Halide::LoopLevel& at, int projections) {
  block_ = projections;
  share_sites(row_, {at, projections * channels(), true});
  search_in({row_, io_});
}

void PsiPwl::search_in(const Halide::LoopLevel& block) {
  segment_.compute_at(block).store_in(MemoryType::Register).unroll(i_);
  segment_.update().reorder(i_, halvings_).unroll(i_);
}

void PsiPwl::schedule_shared_gradient(const Halide::LoopLevel& site) {
  own_site(dt_, site).update().unroll(over_l_);
}

const RegisterMap<PsiPwl> kPwl("pwl");
const RegisterMap<PsiPwl> kPwlLocated("pwl_located", true);

}  // namespace luna
