#include "generators/feature_map/psi_dense.h"

#include "generators/common/numeric.h"
#include "generators/common/tiles.h"
#include "generators/common/warp.h"

namespace luna {
namespace {

constexpr float kInvSqrt2 = 0.70710678118654752f;
constexpr float kInvSqrt2Pi = 0.39894228040143268f;

Expr normal_cdf(const Expr& y) { return 0.5f * (1.0f + Halide::erf(y * kInvSqrt2)); }

}  // namespace

using Halide::Float;
using Halide::Int;
using Halide::MemoryType;

Expr PsiDense::sigmoid(const Expr& y) const { return 1.0f / (1.0f + exponential(-y)); }

Expr PsiDense::activate(const Expr& y) const {
  switch (activation_) {
    case Activation::relu:
      return floor_at(y, 0.0f);
    case Activation::gelu:
      return y * normal_cdf(y);
    case Activation::silu:
      return y * sigmoid(y);
  }
  return y;
}

Expr PsiDense::activate_gradient(const Expr& y) const {
  switch (activation_) {
    case Activation::relu:
      return floor_gradient(y, 0.0f, 1.0f);
    case Activation::gelu:
      return normal_cdf(y) + y * kInvSqrt2Pi * exponential(-0.5f * y * y);
    case Activation::silu:
      return sigmoid(y) * (1.0f + y * (1.0f - sigmoid(y)));
  }
  return y;
}

std::vector<Argument> PsiDense::inputs() const {
  auto list = Projected::inputs();
  list.push_back({"first_channel", Int(32), 1});  // (i): first row of projection i's channels in w2
  list.push_back({"w1", Float(32), 1});           // (h), zero padded to kLanes
  list.push_back({"b1", Float(32), 1});
  list.push_back({"w2", Float(32), 2});  // (channel, h)
  list.push_back({"b2", Float(32), 1});  // (channel)
  list.push_back({"floor", Float(32), 0});
  return list;
}

std::vector<Argument> PsiDense::gradient_inputs() const {
  auto list = Projected::gradient_inputs();
  list.push_back({"w2_rows", Float(32), 2});  // (h, channel)
  return list;
}

std::vector<Argument> PsiDense::gradient_outputs() const {
  auto list = Projected::gradient_outputs();
  list.push_back({"dw1", Float(32), 1});
  list.push_back({"db1", Float(32), 1});
  list.push_back({"dw2", Float(32), 2});  // (h, channel)
  list.push_back({"db2", Float(32), 1});
  return list;
}

Expr PsiDense::linear(const Expr& h, const Expr& i, const Expr& n) const {
  return w1_(h) * t_(at(i, n)) + b1_(h);
}

Expr PsiDense::unit(const Expr& h, const Expr& i, const Expr& n) const {
  return activate(linear(h, i, n));
}

Func PsiDense::features(const Arguments& arguments, const TokenTile& tile) {
  project(arguments, tile);
  const int L = tiles::kChannels;
  const auto& b = arguments.buffers;
  const Expr channels = arguments.shapes.at("b2").dim(0).extent();
  const Expr hid = arguments.shapes.at("w1").dim(0).extent();
  floor_ = arguments.scalars.at("floor");
  over_h_ = RDom(0, hid, "over_h");
  w1_ = b.at("w1");
  b1_ = b.at("b1");
  hidden_(at(h_, i_, n_)) = unit(h_, i_, n_);
  const Expr channel =
      Halide::unsafe_promise_clamped(b.at("first_channel")(i_), 0, channels - L) + l_;
  psi_(at(l_, i_, n_)) = b.at("b2")(channel);
  psi_(at(l_, i_, n_)) += b.at("w2")(channel, over_h_) * hidden_(at(over_h_, i_, n_));
  phi_(at(D_, n_)) = floor_at(psi_(at(D_ % L, D_ / L, n_)), floor_);
  return phi_;
}

FeatureMap::Gradient PsiDense::gradient(const Arguments& arguments, const Func& dphi) {
  const int L = tiles::kChannels;
  const auto& b = arguments.buffers;
  const Expr channels = arguments.shapes.at("b2").dim(0).extent();
  const Expr hid = arguments.shapes.at("w1").dim(0).extent();
  const auto channel = [&](const Expr& i, const Expr& l) {
    return Halide::unsafe_promise_clamped(b.at("first_channel")(i), 0, channels - L) + l;
  };
  over_l_ = RDom(0, L, "over_l");
  over_h_back_ = RDom(0, hid, "over_h_back");
  const Func phi = options_.form == Form::rows ? b.at("phi") : phi_;
  dpsi_(at(D_, n_)) = floor_gradient(phi(at(D_, n_)), floor_, dphi(at(D_, n_)));
  dhidden_(at(h_, i_, n_)) = 0.0f;
  const Expr w2 = options_.form == Form::tile ? b.at("w2_rows")(h_, channel(i_, over_l_))
                                              : b.at("w2")(channel(i_, over_l_), h_);
  dhidden_(at(h_, i_, n_)) += w2 * dpsi_(at(i_ * L + over_l_, n_));
  dlinear_(at(h_, i_, n_)) = dhidden_(at(h_, i_, n_)) * activate_gradient(linear(h_, i_, n_));
  dt_(at(i_, n_)) = 0.0f;
  dt_(at(i_, n_)) += w1_(over_h_back_) * dlinear_(at(over_h_back_, i_, n_));
  Gradient result = project_back(arguments);
  if (options_.form != Form::tile) {
    return result;
  }

  sites_ = RDom(0, projections_, 0, tile_.summed, "sites");
  const Expr i = sites_.x, n = sites_.y;
  const Var row("row");
  dw1_(h_) = Halide::undef<float>();
  dw1_(h_) += dlinear_(h_, i, n) * t_(i, n);
  db1_(h_) = Halide::undef<float>();
  db1_(h_) += dlinear_(h_, i, n);
  dw2_(h_, row) = Halide::undef<float>();
  const RDom products(0, L, 0, projections_, 0, tile_.summed, "products");
  dw2_(h_, channel(products.y, products.x)) +=
      hidden_(h_, products.y, products.z) * dpsi_(products.y * L + products.x, products.z);
  db2_(row) = Halide::undef<float>();
  db2_(channel(products.y, products.x)) += dpsi_(products.y * L + products.x, products.z);
  products_ = products;
  const Expr whole_hid = hid / tiles::kLanes * tiles::kLanes;
  result.sums.push_back({dw1_, {whole_hid}});
  result.sums.push_back({db1_, {whole_hid}});
  result.sums.push_back({dw2_, {whole_hid, channels}});
  result.sums.push_back({db2_, {channels}});
  return result;
}

void PsiDense::schedule_psi(Func consumer, const Halide::Target& target) {
  const Var Do("Do"), Di("Di"), no("no"), ni("ni");
  const auto round_up = Halide::TailStrategy::RoundUp;
  consumer.split(D_, Do, Di, tiles::kChannels, round_up).vectorize(Di);
  consumer.split(n_, no, ni, 4, round_up).reorder(Di, ni, Do, no).unroll(ni);
  psi_.compute_at(consumer, Do).store_in(MemoryType::Register);
  psi_.vectorize(l_, tiles::kChannels).unroll(n_);
  psi_.update().reorder(l_, n_, i_, over_h_).vectorize(l_, tiles::kChannels).unroll(n_);
  hidden_.vectorize(h_, target.natural_vector_size<float>(), round_up);
}

void PsiDense::schedule_features(const Halide::Target& target, Func out) {
  schedule_projection(target);
  schedule_psi(out, target);
  hidden_.compute_at(out, Halide::Var("Do")).store_in(MemoryType::Stack);
}

void PsiDense::schedule_gradient(const Halide::Target& target, const GradientLoops& at) {
  Projected::schedule_gradient(target, at);
  const int lanes = target.natural_vector_size<float>();
  const auto round_up = Halide::TailStrategy::RoundUp;
  schedule_psi(per_tile(dpsi_), target);
  hidden_.compute_root().store_in(MemoryType::Heap);
  dhidden_.compute_root().store_in(MemoryType::Heap).vectorize(h_, lanes, round_up);
  dhidden_.update().reorder(h_, over_l_, i_, n_).vectorize(h_, lanes, round_up);
  per_tile(dt_);
  dt_.update()
      .reorder(over_h_back_, i_, n_)
      .atomic()
      .vectorize(over_h_back_, lanes, Halide::TailStrategy::GuardWithIf);
  dlinear_.compute_root().store_in(MemoryType::Heap).vectorize(h_, lanes, round_up);
  dw2_.update().reorder(h_, products_.x, products_.y, products_.z).vectorize(h_, lanes, round_up);
  for (Func* f : {&dw1_, &db1_}) {
    f->vectorize(h_, lanes, round_up);
    f->update().reorder(h_, sites_.x, sites_.y).vectorize(h_, lanes, round_up);
  }
}

void PsiDense::schedule_rows(Func out) {
  // A thread a token, so that w2 is read by all at once; features leave through shared memory.
  const warp::RowTile tile = rows({warp::kVector, 8, 8});
  const Var site("site"), l("l");
  warp::by_rows(out, tile);
  phi_.compute_at(out, warp::row_block()).store_in(MemoryType::GPUShared);
  phi_.bound_extent(D_, tile.columns()).bound_extent(n_, tile.threads);
  phi_.align_storage(D_, warp::pitch(tile.columns()));
  phi_.split(D_, site, l, tiles::kChannels)
      .split(n_, warp::row_place(), warp::row_thread(), tile.across)
      .reorder(l, site, warp::row_thread(), warp::row_place())
      .vectorize(l, warp::kVector)
      .unroll(l)
      .gpu_threads(warp::row_thread(), warp::row_place());
  psi_.compute_at(phi_, site).store_in(MemoryType::Register).unroll(l_);
  psi_.update().reorder(l_, i_, n_, over_h_).unroll(l_);
  hidden_.compute_at(psi_, over_h_);
}

void PsiDense::schedule_rows_gradient(Func out) {
  // A thread a token: what it reads of W is far more than what it stores.
  warp::by_rows(out, rows({1, 1, 1, 16}));
  schedule_shared_gradient({out, warp::own_column()});
}

void PsiDense::schedule_shared(const SharedTile& tile) {
  Projected::schedule_shared(tile);
  const Var site("site"), l("l");
  phi_.split(Di_, site, l, tiles::kChannels).vectorize(l, warp::kVector).unroll(l).unroll(site);
  psi_.compute_at(phi_, site).store_in(MemoryType::Register).unroll(l_);
  psi_.update().reorder(l_, i_, n_, over_h_).unroll(l_);
  hidden_.compute_at(psi_, over_h_);
}

void PsiDense::schedule_shared_gradient(const Halide::LoopLevel& site) {
  dpsi_.compute_at(site).store_in(MemoryType::Register).unroll(D_);
  own_site(dt_, site);
  dhidden_.compute_at(dt_, over_h_back_).update().unroll(over_l_);
}

const RegisterMap<PsiDense> kRelu("dense_relu", Activation::relu);
const RegisterMap<PsiDense> kGelu("dense_gelu", Activation::gelu);
const RegisterMap<PsiDense> kSilu("dense_silu", Activation::silu);

}  // namespace luna
