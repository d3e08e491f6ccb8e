// cosFormer (Qin 2022): phi(x) = [relu(x) sin(theta_n), relu(x) cos(theta_n)], theta_n by the
// token's position.
#include "generators/feature_map/blocks.h"

namespace luna {
namespace {

class CosFormer : public Blocks {
 public:
  using Blocks::Blocks;
  std::vector<Argument> inputs() const override {
    return {{"angles", Halide::Float(32), 2}};  // (sin and cos, n)
  }
  Expr padded_features(const Arguments&, const Expr& d) const override { return 2 * pitch(d); }

  Func features(const Arguments& arguments, const TokenTile& tile) override {
    tile_ = tile;
    const Func angles = arguments.buffers.at("angles");
    if (options_.form == Form::rows) {
      const Place place = place_of_feature(tile.d);
      phi_(D_, n_) = floor_at(tile.x(place.at, n_), 0.0f) * angles(place.block, n_);
      return phi_;
    }
    phi_(D_, n_) = unwritten();
    for (int half = 0; half < 2; half++) {
      const RDom over_d(0, tile.d, "over_half");
      phi_(over_d + half * pitch(tile.d), n_) =
          floor_at(tile.x(over_d, n_), 0.0f) * angles(half, n_);
      runs_.push_back(over_d);
    }
    return phi_;
  }
  Gradient gradient(const Arguments& arguments, const Func& dphi) override {
    const Func angles = arguments.buffers.at("angles");
    const Expr sum = angles(0, n_) * dphi(j_, n_) + angles(1, n_) * dphi(j_ + pitch(tile_.d), n_);
    dx_(j_, n_) = floor_gradient(tile_.x(j_, n_), 0.0f, sum);
    return {dx_, {}};
  }
  void schedule_gradient(const Halide::Target&, const GradientLoops&) override {}

 private:
  Func dx_{"dx"};
};

const RegisterMap<CosFormer> kCosFormer("cosformer");

}  // namespace
}  // namespace luna
