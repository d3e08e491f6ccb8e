// T2R (Kasai 2021): phi_i(x) = max(w_i x + b_i, 0).
#include "generators/common/numeric.h"
#include "generators/feature_map/projected.h"

namespace luna {
namespace {

class ProjectedRelu : public Projected {
 public:
  using Projected::Projected;
  Func features(const Arguments& arguments, const TokenTile& tile) override {
    project(arguments, tile);
    phi_(at(D_, n_)) = floor_at(t_(at(D_, n_)), 0.0f);
    return phi_;
  }
  Gradient gradient(const Arguments& arguments, const Func& dphi) override {
    const Func phi = given_features(arguments, phi_);
    dt_(at(i_, n_)) = floor_gradient(phi(at(i_, n_)), 0.0f, dphi(at(i_, n_)));
    return project_back(arguments);
  }
  void schedule_gradient(const Halide::Target& target, const GradientLoops& at) override {
    Projected::schedule_gradient(target, at);
    schedule_dt(target);
  }

 protected:
  bool reads_projection() const override { return false; }
};

const RegisterMap<ProjectedRelu> kProjectedRelu("projected_relu");

}  // namespace
}  // namespace luna
