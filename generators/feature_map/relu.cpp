// phi(x) = max(x, 0).
#include "generators/common/numeric.h"
#include "generators/feature_map/elementwise.h"

namespace luna {
namespace {

class Relu : public Elementwise {
 public:
  using Elementwise::Elementwise;

 protected:
  Expr value(const Expr& x) const override { return floor_at(x, 0.0f); }
  Expr derivative(const Expr& x, const Expr&, const Expr& dphi) const override {
    return floor_gradient(x, 0.0f, dphi);
  }
};

const RegisterMap<Relu> kRelu("relu");

}  // namespace
}  // namespace luna
