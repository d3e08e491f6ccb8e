// phi(x) = elu(x) + 1 (Katharopoulos 2020, eq. 7).
#include "generators/common/numeric.h"
#include "generators/feature_map/elementwise.h"

namespace luna {
namespace {

class Elu : public Elementwise {
 public:
  using Elementwise::Elementwise;

 protected:
  Expr value(const Expr& x) const override { return select_strictly(x > 0.0f, x + 1.0f, decay(x)); }
  Expr derivative(const Expr& x, const Expr& phi, const Expr& dphi) const override {
    return Halide::strict_float(Halide::select(x > 0.0f, dphi, dphi * phi));
  }
};

const RegisterMap<Elu> kElu("elu");

}  // namespace
}  // namespace luna
