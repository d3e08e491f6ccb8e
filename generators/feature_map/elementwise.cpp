#include "generators/feature_map/elementwise.h"

#include "generators/common/numeric.h"
#include "generators/common/tiles.h"
#include "generators/common/warp.h"

namespace luna {

Expr Elementwise::padded_features(const Arguments&, const Expr& d) const {
  return Halide::max(round_up(d, tiles::feature_block(true)), tiles::feature_block(true));
}

Func Elementwise::features(const Arguments&, const TokenTile& tile) {
  tile_ = tile;
  phi_(at(D_, n_)) = value(tile.x(at(D_, n_)));
  return phi_;
}

FeatureMap::Gradient Elementwise::gradient(const Arguments& arguments, const Func& dphi) {
  const Func phi = given_features(arguments, phi_);
  dx_(at(j_, n_)) = derivative(tile_.x(at(j_, n_)), phi(at(j_, n_)), dphi(at(j_, n_)));
  return {dx_, {}};
}

void Elementwise::schedule_features(const Halide::Target& target, Func out) {
  out.vectorize(D_, target.natural_vector_size<float>(), Halide::TailStrategy::RoundUp);
}

void Elementwise::schedule_shared(const SharedTile& tile) {
  if (tile.feature_rows) {
    warp::stage_rows(phi_, D_, n_, tile.at, tile.features, warp::kTokens);
    return;
  }
  phi_.compute_at(tile.at).store_in(Halide::MemoryType::GPUShared).reorder_storage(n_, D_);
  phi_.bound_extent(D_, tile.features).bound_extent(n_, warp::kTokens);
  phi_.align_storage(n_, warp::pitch(warp::kTokens));
  phi_.reorder(D_, n_).vectorize(D_, warp::kVector).unroll(D_).gpu_lanes(n_);
}

}  // namespace luna
