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
    sum_(j_, n_) = cross_ * of_vector_rows(dphi);
    over_d_ = RDom(0, d, "over_d_back");
    sum_(over_d_, n_) +=
        linear_ * dphi(1 + over_d_, n_) + 2.0f * square_ * x(over_d_) * dphi(1 + d + over_d_, n_);
    const Pairs last = all_pairs().back();
    const Expr g = cross_ * dphi(pair(last), n_);
    sum_(Halide::unsafe_promise_clamped(last.j, 0, d - 1), n_) += g * row(last.i);
    sum_(last.i, n_) += g * row(last.j);
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
    sum_.bound(j_, 0, pitch(tile_.d)).vectorize(j_, tiles::kLanes, Halide::TailStrategy::RoundUp);
    schedule_runs(sum_, {over_d_}, lanes);
    for (int last : {1, 2}) sum_.update(last).unscheduled();
    schedule_vector_rows({sum_, n_}, lanes);
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
  /// CPU: gradient at x_j, but for c, from the pairs in vector_rows(): the pairs (i, j) above it in
  /// its column, for a vector of columns at once, and those across in its row j, for all columns.
  Expr of_vector_rows(const Func& dphi) {
    over_g_ = RDom(0, vector_rows(), 0, blocks(), "over_g");
    over_g_.where(reaches(over_g_.x, over_g_.y));
    const Expr i = over_g_.x, J = over_g_.y, j = column(J);
    const Expr at = pair(pairs_of(over_g_, i, j - i - 1));
    g_(lane_, J_, i_, n_) = Halide::undef<float>();
    g_(lane_, J, i, n_) = Halide::select(j > i && j < tile_.d, dphi(at, n_), 0.0f);

    over_i_ = RDom(0, vector_rows(), "over_i");
    over_i_.where(reaches(over_i_, J_));
    above_(lane_, J_, n_) = 0.0f;
    above_(lane_, J_, n_) += g_(lane_, J_, over_i_, n_) * row(over_i_);

    over_J_ = RDom(0, blocks(), "over_J");
    over_J_.where(i_ < vector_rows() && reaches(i_, over_J_));
    across_(lane_, i_, n_) = 0.0f;
    across_(lane_, i_, n_) += g_(lane_, over_J_, i_, n_) * row(column(over_J_));
    const auto lane = [&](int k) { return across_(lane_ + k, i_, n_); };
    fourth_(lane_, i_, n_) = (lane(0) + lane(4)) + (lane(8) + lane(12));
    const auto fourth = [&](int k) { return fourth_(k, i_, n_); };
    all_across_(i_, n_) = (fourth(0) + fourth(1)) + (fourth(2) + fourth(3));
    return above_(j_ % tiles::kLanes, j_ / tiles::kLanes, n_) + all_across_(j_, n_);
  }
  void schedule_vector_rows(const Halide::LoopLevel& token, int lanes) {
    all_across_.compute_at(token).vectorize(i_, lanes, Halide::TailStrategy::RoundUp);
    for (Func* f : {&g_, &above_}) f->compute_at(token);
    fourth_.compute_at(all_across_, i_);
    across_.compute_at(fourth_, i_);
    for (Func* f : {&g_, &above_, &fourth_, &across_, &all_across_}) f->store_in(MemoryType::Stack);
    for (Func* f : {&g_, &above_, &across_}) f->bound_extent(lane_, tiles::kLanes);
    for (Func* f : {&above_, &across_, &fourth_}) f->vectorize(lane_);
    fourth_.bound_extent(lane_, 4);
    g_.update().reorder(lane_, over_g_.x, over_g_.y).vectorize(lane_);
    above_.update().reorder(lane_, over_i_, J_).vectorize(lane_);
    across_.update().reorder(lane_, over_J_).vectorize(lane_);
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
  /// All pairs, row i after row i. On the CPU in whole vectors: every row's last one first, which
  /// reaches into the first ones of the rows to come, and these, last of all, row after row,
  /// replace what it wrote there; then the rows of kScalar pairs and less.
  std::vector<Pairs> all_pairs() const {
    const Expr d = tile_.d;
    if (options_.form == Form::rows) {
      RDom over(0, d, 0, d, "pairs");
      over.where(over.y + 1 + over.x < d);
      return {pairs_of(over, over.y, over.x)};
    }
    constexpr int kLanes = tiles::kLanes;
    RDom vectors({{0, kLanes}, {0, vector_rows()}, {0, blocks()}}, "pair_vectors");
    const Expr first = (blocks() - 1 - vectors.z) * kLanes;
    vectors.where(vectors.y < d - 1 - first);
    RDom last(0, kScalar, 0, kScalar, "last_pairs");
    const Expr i = vector_rows() + last.y;
    last.where(i + 1 + last.x < d);
    return {pairs_of(vectors, vectors.y, first + vectors.x), pairs_of(last, i, last.x)};
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
  /// CPU: rows taken in whole vectors; at least a vector's features but one follow the last of
  /// them.
  Expr vector_rows() const { return Halide::max(tile_.d - 1 - kScalar, 0); }
  static constexpr int kScalar = 5;
  static_assert(kScalar * (kScalar + 1) / 2 >= tiles::kLanes - 1, "enough follows a vector's row");
  /// CPU: blocks J of columns j, of a vector each, and whether row i has pairs there.
  Expr blocks() const { return (tile_.d + tiles::kLanes - 1) / tiles::kLanes; }
  Expr column(const Expr& J) const { return J * tiles::kLanes + lane_; }
  static Expr reaches(const Expr& i, const Expr& J) {
    return i < J * tiles::kLanes + tiles::kLanes - 1;
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
  RDom over_row_, over_d_, over_g_, over_i_, over_J_;
  Var lane_{"lane"}, J_{"J"}, i_{"i"};
  Func g_{"g"};  ///< (lane, J, i): the gradient at pair (i, j), 0 up to the diagonal
  Func above_{"above"}, across_{"across"}, fourth_{"fourth"}, all_across_{"all_across"};
};

const RegisterMap<Taylor2> kTaylor2("taylor2");

}  // namespace
}  // namespace luna
