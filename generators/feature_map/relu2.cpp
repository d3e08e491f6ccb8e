// phi(x) = max(x, 0)^2.
#include "generators/common/numeric.h"
#include "generators/feature_map/elementwise.h"

namespace luna {
namespace {

class SquaredRelu : public Elementwise {
 public:
  using Elementwise::Elementwise;

 protected:
  Expr value(const Expr& x) const override { return floor_at(x, 0.0f) * floor_at(x, 0.0f); }
  Expr derivative(const Expr& x, const Expr&, const Expr& dphi) const override {
    return floor_gradient(x, 0.0f, 2.0f * x * dphi);
  }
};

const RegisterMap<SquaredRelu> kSquaredRelu("relu2");

}  // namespace
}  // namespace luna
