// The features of a tile of tokens and the gradient back through them: the two pipelines of every
// map. A token's weight (key mask, envelope) multiplies its features here, so that no product has
// to know of it.
#include "generators/attention/map_pass.h"

namespace luna {
namespace {

constexpr auto kRoundUp = Halide::TailStrategy::RoundUp;

using Buffer1 = Halide::Buffer<float, 1>;
using Buffer2 = Halide::Buffer<float, 2>;

}  // namespace

template <typename Pass>
class FeaturesPass : public MapPass<Pass> {
 public:
  template <typename T>
  using Input = typename MapPass<Pass>::template Input<T>;
  using MapPass<Pass>::align, MapPass<Pass>::n_, MapPass<Pass>::feature_map_;

  Input<Buffer2> x{"x"};  // (j, N): rows padded with zeros
  Input<Buffer1> weight{"weight"};
  Input<int> d{"d"};

 protected:
  /// The map's features of the tile, of whose tokens the gradient's sums take so many; sets
  /// features_, D after padding.
  Func features(const Arguments& args, const Expr& summed = {}) {
    x.dim(0).set_min(0);  // rows of a tile or of a user's tensor
    x.dim(1).set_min(0);
    align(weight);
    this->features_ = feature_map_->padded_features(args, d);
    const Expr tokens = x.dim(1).extent();
    return feature_map_->features(args, {x, d, tokens, this->features_, {}, summed});
  }
  /// value times the token's weight, 0 where that is 0 or a bit of `mask` is not set.
  Expr weighed(const Expr& value, const Expr& mask = ~Expr(0u)) const {
    const Expr kept = Halide::select(is_kept(weight(n_)), ~Expr(0u), Expr(0u));
    return masked(weight(n_) * value, kept & mask);
  }
  int lanes() const { return this->natural_vector_size(Halide::Float(32)); }
};

/// phi(D, n), weight included; bits that mask(D) has not are 0, all of them where D only pads.
class Features : public FeaturesPass<Features> {
 public:
  Input<Halide::Buffer<int32_t, 1>> mask{"mask"};
  Output<Buffer2> phi{"phi"};

  void configure() {
    add_map_inputs(false);
    for (const auto& [name, of_token] : feature_map_->token_outputs()) {
      of_tokens_.push_back(add_output<Buffer1>(name));
    }
  }

  void generate() {
    const Func bare = features(arguments());
    phi(D_, n_) = weighed(bare(D_, n_), Halide::reinterpret<uint32_t>(mask(D_)));
    align(mask);
    align(phi);
    phi.dim(0).set_bounds(0, features_).set_stride(1);
    const auto outputs = feature_map_->token_outputs();
    for (size_t k = 0; k < outputs.size(); k++) {
      (*of_tokens_[k])(n_) = outputs[k].second(n_);
      align(*of_tokens_[k]);
    }
    feature_map_->schedule_features(get_target(), phi);
  }

 private:
  std::vector<Output<Buffer1>*> of_tokens_;
};

/// dx(j, n) and, where `sums` is not 0, the map's parameter sums (added in place) from the gradient
/// at phi(D, n).
class FeaturesGrad : public FeaturesPass<FeaturesGrad> {
 public:
  Input<Buffer2> phi{"phi"}, dphi{"dphi"};
  Input<int> sums{"sums"};
  Output<Buffer2> dx{"dx"};

  void configure() {
    add_map_inputs(true);
    for (const Argument& argument : feature_map_->gradient_outputs()) {
      outputs_.push_back(
          add_output<Halide::Buffer<>>(argument.name, argument.type, argument.dimensions));
    }
  }

  void generate() {
    Arguments args = arguments();
    args.buffers["phi"] = phi;
    features(args, Halide::select(sums != 0, x.dim(1).extent(), 0));
    Func bare("dphi_bare");
    bare(D_, n_) = weighed(dphi(D_, n_));
    const FeatureMap::Gradient gradient = feature_map_->gradient(args, bare);
    for (Input<Buffer2>* buffer : {&phi, &dphi}) {
      align(*buffer);
      buffer->dim(0).set_bounds(0, features_);
    }
    dx(j_, n_) = gradient.x(j_, n_);
    align(dx);
    bind(gradient.sums);
    const Var jo("jo"), ji("ji"), no("no"), ni("ni");
    const int width = 2 * lanes();
    Func out = dx;
    out.split(n_, no, ni, tiles::kGradTokens, kRoundUp)
        .split(j_, jo, ji, width, kRoundUp)
        .reorder(ji, ni, jo, no)
        .vectorize(ji, lanes())
        .unroll(ni);
    feature_map_->schedule_gradient(get_target(), {{out, no}, {out, jo}, width});
  }

 private:
  void bind(const std::vector<GradientSum>& gradient) {
    for (size_t k = 0; k < gradient.size(); k++) {
      auto& output = *outputs_[k];
      output = gradient[k].sum;
      output.set_host_alignment(64);
      Expr stride = 1;
      for (size_t axis = 0; axis < gradient[k].extents.size(); axis++) {
        output.dim(axis).set_bounds(0, gradient[k].extents[axis]).set_stride(stride);
        stride = stride * gradient[k].extents[axis];
      }
    }
  }

  std::vector<Output<Halide::Buffer<>>*> outputs_;
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::Features, features)
HALIDE_REGISTER_GENERATOR(luna::FeaturesGrad, features_grad)
