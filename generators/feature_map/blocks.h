// Base of the maps whose features are written block by block, functions of several coordinates or
// of one more than once: phi is defined by updates that each write one contiguous run, or in rows
// form, where a feature's block and place are quickly told, feature by feature.
#pragma once

#include "generators/common/numeric.h"
#include "generators/common/tiles.h"
#include "generators/feature_map/feature_map.h"

namespace luna {

/// CPU: vectors along the first dimension of the domain of each of f's updates.
inline void schedule_runs(Func& f, const std::vector<RDom>& runs, int lanes) {
  for (size_t k = 0; k < runs.size(); k++) {
    Halide::Stage run = f.update(static_cast<int>(k));
    run.allow_race_conditions().vectorize(runs[k].x, lanes, Halide::TailStrategy::GuardWithIf);
    if (Halide::Internal::is_const(runs[k].x.extent())) run.unroll(runs[k].x);
  }
}

class Blocks : public FeatureMap {
 public:
  using FeatureMap::FeatureMap;
  void schedule_features(const Halide::Target& target, Func out) override {
    const int lanes = target.natural_vector_size<float>();
    out.vectorize(D_, lanes, Halide::TailStrategy::RoundUp);
    phi_.compute_at(out, n_).store_in(Halide::MemoryType::Stack);
    phi_.bound(D_, 0, tile_.features).vectorize(D_, lanes, Halide::TailStrategy::RoundUp);
    schedule_runs(phi_, runs_, lanes);
  }

  bool writes_runs() const override { return !runs_.empty(); }
  void schedule_rows(Func out) override {
    if (runs_.empty()) return each_by_itself(out);
    each_by_itself(phi_);
    for (size_t k = 0; k < runs_.size(); k++) {
      warp::update_by_rows(phi_.update(static_cast<int>(k)), n_, runs_[k], rows({1, 16, 16}));
    }
  }

 protected:
  /// Distance between blocks of `width` features.
  static Expr pitch(const Expr& width) { return round_up(width, tiles::kRowColumns); }

  /// Rows form: the block that feature D is in, and its place there; the same block for a vector of
  /// features.
  struct Place {
    Expr block, at;
  };
  Place place_of_feature(const Expr& width) const {
    const Expr vectors = D_ / warp::kVector, of_block = pitch(width) / warp::kVector;
    return {vectors / of_block, vectors % of_block * warp::kVector + D_ % warp::kVector};
  }

  Var D_{"D"}, n_{"n"}, j_{"j"};
  Func phi_{"phi"};
  std::vector<RDom> runs_;  ///< of phi_'s updates, in their order
};

}  // namespace luna
