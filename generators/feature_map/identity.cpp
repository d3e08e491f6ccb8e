// phi(x) = x.
#include "generators/feature_map/elementwise.h"

namespace luna {
namespace {

class Identity : public Elementwise {
 public:
  using Elementwise::Elementwise;

 protected:
  Expr value(const Expr& x) const override { return x; }
  Expr derivative(const Expr&, const Expr&, const Expr& dphi) const override { return dphi; }
};

const RegisterMap<Identity> kIdentity("identity");

}  // namespace
}  // namespace luna
