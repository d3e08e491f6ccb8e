// CUDA, features in memory: phi of tokens that are rows of a matrix, and the gradient back through
// it to what the map is a function of, x or its projection t. Weights are the passes' business.
#include "generators/attention/map_pass.h"

namespace luna {
namespace {

using Buffer1 = Halide::Buffer<float, 1>;
using Buffer2 = Halide::Buffer<float, 2>;

}  // namespace

template <typename Pass>
class RowsPass : public MapPass<Pass> {
 public:
  template <typename T>
  using Input = typename MapPass<Pass>::template Input<T>;
  using MapPass<Pass>::feature_map_, MapPass<Pass>::features_;

  Halide::GeneratorParam<int> threads{"threads", warp::kRowThreads};  ///< the schedule: of a block
  Input<Buffer2> x{"x"};  // (j, n): rows padded with zeros
  Input<int> d{"d"};

 protected:
  Func features(const Arguments& args) {
    bind(x);
    for (auto& [name, shape] : args.shapes) {
      if (shape.dimensions() == 2) {
        Halide::OutputImageParam rows = shape;
        bind_stride(rows);
      }
    }
    features_ = feature_map_->padded_features(args, d);
    return feature_map_->features(args, {x, d, x.dim(1).extent(), features_});
  }
  /// Rows of whole vectors.
  template <typename Rows>
  static void bind(Rows& rows) {
    rows.set_host_alignment(warp::kVector * sizeof(float));
    rows.dim(0).set_min(0).set_stride(1);
    rows.dim(1).set_min(0);
    bind_stride(rows);
  }
  template <typename Rows>
  static void bind_stride(Rows& rows) {
    rows.dim(1).set_stride(rows.dim(1).stride() / warp::kVector * warp::kVector);
  }
};

/// phi(D, n); 0 where real(D) is 0, which is where D only pads.
class RowsFeatures : public RowsPass<RowsFeatures> {
 public:
  Input<Buffer1> real{"real"};
  Output<Buffer2> phi{"phi"};

  void configure() { add_map_inputs(false, Form::rows, threads); }

  void generate() {
    const Func bare = features(arguments());
    if (feature_map_->writes_runs()) {
      phi = bare;
    } else {
      phi(D_, n_) = Halide::select(real(D_) == 0.0f, 0.0f, bare(D_, n_));
    }
    align(real);
    bind(phi);
    phi.dim(0).set_bounds(0, features_);
  }

  void schedule() { feature_map_->schedule_rows(phi); }
};

/// dx(j, n), or dt(i, n), and the map's row_terms() from the gradient at phi(D, n).
class RowsFeaturesGrad : public RowsPass<RowsFeaturesGrad> {
 public:
  Input<Buffer2> phi{"phi"}, dphi{"dphi"};
  Output<Buffer2> dx{"dx"};

  void configure() {
    add_map_inputs(false, Form::rows, threads);
    for (const Argument& argument : feature_map_->row_terms()) {
      terms_.push_back(
          add_output<Halide::Buffer<>>(argument.name, argument.type, argument.dimensions));
    }
  }

  void generate() {
    Arguments args = arguments();
    args.buffers["phi"] = phi;
    features(args);
    const FeatureMap::Gradient gradient = feature_map_->gradient(args, dphi);
    dx(j_, n_) = gradient.x(j_, n_);
    for (size_t k = 0; k < terms_.size(); k++) {
      *terms_[k] = gradient.sums[k].sum;
      bind(*terms_[k]);
    }
    for (Input<Buffer2>* buffer : {&phi, &dphi}) {
      bind(*buffer);
      buffer->dim(0).set_bounds(0, features_);
    }
    bind(dx);
  }

  void schedule() {
    feature_map_->schedule_rows_gradient(dx);
    for (Output<Halide::Buffer<>>* term : terms_) feature_map_->each_by_itself(*term);
  }

 private:
  std::vector<Output<Halide::Buffer<>>*> terms_;
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::RowsFeatures, rows_features)
HALIDE_REGISTER_GENERATOR(luna::RowsFeaturesGrad, rows_features_grad)
