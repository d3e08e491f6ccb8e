// Passes over one side alone. power_sum and power_grad serve ch_rms (the second moment of every
// channel and its gradient), key_maximum is FAVOR+'s stabiliser.
#include "generators/attention/tile_pass.h"
#include "generators/feature_map/projected.h"

namespace luna {

/// sum(D) += sum_n phi(D, n)^2, in place.
class PowerSum : public TilePass<PowerSum> {
 public:
  Input<Buffer2> x{"x"};
  Input<Buffer1> weight{"weight"};
  Output<Buffer1> sum{"sum"};

  void configure() { add_map_inputs(Side::key, false); }

  void generate() {
    const Arguments args = arguments();
    tokens_ = x.dim(1).extent();
    weight_ = weight;
    free_stride(weight);
    const Func rows = stage("x_rows", x, 1.0f, 0.0f);
    const Func phi = features(args, rows, static_width(x), Side::key);
    const Halide::RDom over_n(0, tokens_, "over_n");
    Func total("total");
    total(D_) = Halide::undef<float>();
    total(D_) += phi(D_, over_n) * phi(D_, over_n);
    sum = total;
    align(sum);
    bind_features(sum, 0);
    total.update().reorder(D_, over_n).vectorize(D_, lanes(), Halide::TailStrategy::RoundUp);
    feature_map_->schedule_features(get_target());
  }
};

/// The map's gradients for dphi(D, n) = coefficient(D) phi(D, n).
class PowerGrad : public TilePass<PowerGrad> {
 public:
  Input<Buffer2> x{"x"};
  Input<Buffer1> weight{"weight"}, coefficient{"coefficient"};
  Output<Buffer2> dx{"dx"};

  void configure() {
    add_map_inputs(Side::key, true);
    add_map_outputs();
  }

  void generate() {
    const Arguments args = arguments();
    tokens_ = x.dim(1).extent();
    weight_ = weight;
    free_stride(weight);
    const Func rows = stage("x_rows", x, 1.0f, 0.0f);
    const Func phi = features(args, rows, static_width(x), Side::key);
    align(coefficient);
    bind_features(coefficient, 0);
    Func dphi("dphi");
    dphi(D_, n_) = coefficient(D_) * phi(D_, n_);
    dphi.compute_root().store_in(Halide::MemoryType::Stack);
    dphi.bound(D_, 0, features_).bound_storage(n_, tiles::kTokens);
    dphi.vectorize(D_, lanes(), Halide::TailStrategy::RoundUp);
    const FeatureMap::Gradient gradient = feature_map_->gradient(args, dphi);
    const Halide::LoopLevel dx_at = store_gradient(dx, gradient.x);
    bind_map_outputs(gradient.sums);
    feature_map_->schedule_features(get_target());
    feature_map_->schedule_gradient(get_target(), dx_at);
  }
};

/// largest(i) = max(largest(i), max_n t(i, n)) over tokens of nonzero weight, in place.
class KeyMaximum : public TilePass<KeyMaximum> {
 public:
  Input<Buffer2> x{"x"};
  Input<Buffer1> weight{"weight"};
  Output<Buffer1> largest{"largest"};

  void configure() { add_map_inputs(Side::key, false); }

  void generate() {
    const Arguments args = arguments();
    tokens_ = x.dim(1).extent();
    weight_ = weight;
    free_stride(weight);
    const Func rows = stage("x_rows", x, 1.0f, 0.0f);
    features(args, rows, static_width(x), Side::key);
    const Func t = static_cast<Projected&>(*feature_map_).projection();
    const Halide::RDom over_n(0, tokens_, "over_n");
    Func result("result");
    result(D_) = Halide::undef<float>();
    result(D_) = Halide::select(kept(over_n), Halide::max(result(D_), t(D_, over_n)), result(D_));
    largest = result;
    align(largest);
    bind_features(largest, 0);
    result.update().reorder(D_, over_n).vectorize(D_, lanes(), Halide::TailStrategy::RoundUp);
    feature_map_->schedule_features(get_target());
  }
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::PowerSum, power_sum)
HALIDE_REGISTER_GENERATOR(luna::PowerGrad, power_grad)
HALIDE_REGISTER_GENERATOR(luna::KeyMaximum, key_maximum)
