// Taylor-2 (Based), symmetric and packed: phi(x) = [1, a x_i, b x_i^2, c x_i x_j (i < j, row by
// row)], a = d^-1/4, b = (2 d)^-1/2, c = d^-1/2, so that phi(q) phi(k) = 1 + s + s^2 / 2, s = q k /
// sqrt(d).
#include "generators/feature_map/blocks.h"

namespace luna {
namespace {

using Halide::MemoryType;

class Taylor2 : public Blocks {
 public:
  using Blocks::Blocks;
  std::vector<Argument> inputs() const override {
    const Halide::Type real = Halide::Float(32);
    return {{"linear", real, 0}, {"square", real, 0}, {"cross", real, 0}};  // a, b, c
  }
  Expr padded_features(const Arguments&, const Expr& d) const override {
    return pitch(1 + 2 * d + d * (d - 1) / 2);
  }

  Func features(const Arguments& arguments, const TokenTile& tile) override {
    tile_ = tile;
    linear_ = arguments.scalars.at("linear");
    square_ = arguments.scalars.at("square");
    cross_ = arguments.scalars.at("cross");
    const RDom first(0, 1, "first"), over_linear(0, tile.d, "over_linear"),
        over_square(0, tile.d, "over_square");
    const auto x = [&](const Expr& j) { return tile.x(j, n_); };
    phi_(D_, n_) = unwritten();
    phi_(first, n_) = 1.0f;
    phi_(1 + over_linear, n_) = linear_ * x(over_linear);
    phi_(1 + tile.d + over_square, n_) = square_ * x(over_square) * x(over_square);
    runs_ = {first, over_linear, over_square};
    over_row_ = RDom(0, tile.d, "over_row");
    row_(j_, n_) = 0.0f;
    row_(over_row_, n_) = x(over_row_);
    for (const Pairs& pairs : all_pairs()) {
      phi_(pair(pairs), n_) = cross_ * row(pairs.i) * row(pairs.j);
      runs_.push_back(pairs.over);
    }
    return phi_;
  }

  Gradient gradient(const Arguments&, const Func& dphi) override {
    const Expr d = tile_.d;
    const auto x = [&](const Expr& j) { return tile_.x(j, n_); };
    if (options_.form == Form::rows) {
      return {gathered(dphi), {}};
    }
    sum_(j_, n_) = 0.0f;
    over_d_ = RDom(0, d, "over_d_back");
    sum_(over_d_, n_) +=
        linear_ * dphi(1 + over_d_, n_) + 2.0f * square_ * x(over_d_) * dphi(1 + d + over_d_, n_);
    const std::vector<Pairs> all = all_pairs();
    vectors_ = all[0].over;
    for (const Pairs& pairs : all) {
      const Expr g = cross_ * Halide::select(pairs.j < d, dphi(pair(pairs), n_), 0.0f);
      sum_(Halide::unsafe_promise_clamped(pairs.j, 0, extent() - 1), n_) += g * row(pairs.i);
      sum_(pairs.i, n_) += g * row(pairs.j);
    }
    dx_(j_, n_) = sum_(j_, n_);
    return {dx_, {}};
  }
  void schedule_features(const Halide::Target& target, Func out) override {
    Blocks::schedule_features(target, out);
    schedule_row(target, Halide::LoopLevel(out, n_));
  }
  void schedule_gradient(const Halide::Target& target, const GradientLoops& at) override {
    const int lanes = target.natural_vector_size<float>();
    schedule_row(target, at.tokens);
    sum_.compute_at(at.tokens).store_in(MemoryType::Stack);
    sum_.bound(j_, 0, extent()).vectorize(j_, lanes, Halide::TailStrategy::RoundUp);
    schedule_runs(sum_, {over_d_}, lanes);
    sum_.update(1).allow_race_conditions().vectorize(vectors_.x, lanes);
    sum_.update(2).atomic().vectorize(vectors_.x, lanes);
    for (int last : {3, 4}) sum_.update(last).unscheduled();
  }

  void schedule_rows_gradient(Func out) override {
    warp::by_rows(out, rows({1, warp::kLanes, 8}));
    warp::of_column(sum_, out);
  }

 private:
  /// Rows form: the gradient at every coordinate from the features that it is in.
  Func gathered(const Func& dphi) {
    const Expr d = tile_.d, j = Halide::min(j_, d - 1);
    over_d_ = RDom(0, d, "over_d_back");
    const Expr first = Halide::min(over_d_, j), second = Halide::max(over_d_, j);
    const Expr at = Halide::clamp(place(first, second - first - 1), 0, tile_.features - 1);
    sum_(j_, n_) =
        linear_ * dphi(1 + j, n_) + 2.0f * square_ * tile_.x(j, n_) * dphi(1 + d + j, n_);
    sum_(j_, n_) +=
        Halide::select(over_d_ == j, 0.0f, cross_ * dphi(at, n_) * tile_.x(over_d_, n_));
    dx_(j_, n_) = Halide::select(j_ < d, sum_(j_, n_), 0.0f);
    return dx_;
  }
  /// Where the pair (i, i + 1 + k) lies, i + 1 + k < d.
  Expr place(const Expr& i, const Expr& k) const {
    return 1 + 2 * tile_.d + i * (2 * tile_.d - i - 1) / 2 + k;
  }

  struct Pairs {
    RDom over;
    Expr i, k, j;
  };
  Pairs pairs_of(const RDom& over, const Expr& i, const Expr& k) const {
    return {over, i, k, i + 1 + k};
  }
  /// All pairs, row i after row i. On the CPU in whole vectors, whose last one of a row reaches
  /// into the rows to come, which replace what it wrote; what follows the last rows, of kScalar
  /// pairs and less, may be shorter than a vector.
  std::vector<Pairs> all_pairs() const {
    const Expr d = tile_.d;
    if (options_.form == Form::rows) {
      RDom over(0, d, 0, d, "pairs");
      over.where(over.y + 1 + over.x < d);
      return {pairs_of(over, over.y, over.x)};
    }
    constexpr int kLanes = tiles::kLanes, kScalar = 5;
    static_assert((kScalar + 1) * (kScalar + 2) / 2 >= kLanes, "enough follows a vector's row");
    const Expr vector_rows = Halide::max(d - 1 - kScalar, 0);
    RDom vectors({{0, kLanes}, {0, (d + kLanes - 1) / kLanes}, {0, vector_rows}}, "pair_vectors");
    vectors.where(vectors.y * kLanes < d - 1 - vectors.z);
    RDom last(0, kScalar, 0, kScalar, "last_pairs");
    const Expr i = vector_rows + last.y;
    last.where(i + 1 + last.x < d);
    return {pairs_of(vectors, vectors.z, vectors.y * kLanes + vectors.x),
            pairs_of(last, i, last.x)};
  }
  /// Where a pair's feature lies.
  Expr pair(const Pairs& pairs) const {
    return Halide::unsafe_promise_clamped(place(pairs.i, pairs.k), 0, tile_.features - 1);
  }
  /// x of one token; on the CPU zero beyond d.
  Expr row(const Expr& j) const {
    if (options_.form == Form::rows) {
      return tile_.x(Halide::unsafe_promise_clamped(j, 0, tile_.d - 1), n_);
    }
    return row_(Halide::unsafe_promise_clamped(j, 0, extent() - 1), n_);
  }
  Expr extent() const { return pitch(tile_.d) + tiles::kLanes; }
  void schedule_row(const Halide::Target& target, const Halide::LoopLevel& at) {
    const int lanes = target.natural_vector_size<float>();
    row_.compute_at(at).store_in(MemoryType::Stack).bound(j_, 0, extent());
    row_.vectorize(j_, lanes, Halide::TailStrategy::RoundUp);
    schedule_runs(row_, {over_row_}, lanes);
  }

  Expr linear_, square_, cross_;
  Func row_{"row"}, sum_{"dx_sum"}, dx_{"dx"};
  RDom over_row_, over_d_, vectors_;
};

const RegisterMap<Taylor2> kTaylor2("taylor2");

}  // namespace
}  // namespace luna
