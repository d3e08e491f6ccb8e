// The CPU's search tree of knots: what two levels and what three levels hold.
#include "runtime/kernels/kernels.h"
#include "tests/support/compare.h"

namespace luna::test {
namespace {

/// L hid knots: 272 and 276 on both sides of two levels, 4368 in three, and auto beyond that.
TEST(PwlKnots, UpToTheLimitAndAutoBeyondIt) {
  for (const int64_t hid : {68, 69, 1092, 1093}) {
    Case c = small_case();
    c.shape = {1, 1, 1, 5, 8, 4, 3, 2, 4, hid};
    c.separate = true;
    c.spec.psi = hid * c.shape.L <= kernels::kMaxKnots ? "pwl" : "auto";
    expect_within_bounds(c);
  }
}

}  // namespace
}  // namespace luna::test
