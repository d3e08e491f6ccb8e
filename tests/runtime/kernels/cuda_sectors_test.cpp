// The feature kernels over rows in memory (generators/common/warp.h, by_rows), and what moves rows
// to tokens, store whole sectors: 32 bytes of global memory each, as the interpreter counts them.
#include <gtest/gtest.h>

#include "runtime/kernels/registry.h"
#include "tests/support/inputs.h"
#include "tests/support/ptx/driver.h"

namespace luna::test {
namespace {

/// Calls of a pipeline, and the sectors that they stored.
struct Use {
  uint64_t calls = 0, sectors = 0;
};

/// Of every pipeline that runs in a scope.
class Uses {
 public:
  Uses() {
    take_ptx_counts();
    kernels::watch_pipelines([this](const std::string& name) {
      settle();
      current_ = name;
      uses_[name].calls++;
    });
  }
  ~Uses() { kernels::watch_pipelines({}); }
  Uses(const Uses&) = delete;

  Use of(const std::string& name) {
    settle();
    return uses_[name];
  }

 private:
  void settle() {
    for (const auto& [kernel, counts] : take_ptx_counts()) {
      uses_[current_].sectors += counts.sectors_stored;
    }
  }

  std::string current_;
  std::map<std::string, Use> uses_;
};

/// What a map's pipelines store of a token of d = 32, in floats: features, and the gradient at x or
/// at the projection with the terms beside it.
struct Stores {
  const char *map, *pipelines;
  uint64_t features, gradient;
};

const Stores kStores[] = {{"luna", "pwl", 128, 16},
                          {"elu", "elu", 32, 32},
                          {"relu", "relu", 32, 32},
                          {"relu2", "relu2", 32, 32},
                          {"identity", "identity", 32, 32},
                          {"performer", "performer", 64, 64},
                          {"rff", "fourier", 64, 64},
                          {"t2r", "projected_relu", 64, 64},
                          {"hedgehog", "softmax_halves", 64, 64},
                          {"cosformer:4096", "cosformer", 64, 32},
                          {"dpfp", "dpfp", 64, 32},
                          {"polaformer", "polaformer", 64, 2 * 32}};

void PrintTo(const Stores& stores, std::ostream* out) { *out << stores.map; }

class CudaSectors : public ::testing::TestWithParam<Stores> {};

constexpr int64_t kTokens = 64;

/// Causal attention of one head, d = dv = 32, and its gradients.
void attend(const std::string& map) {
  Case c = small_case(map);
  c.shape = {1, 1, 1, kTokens, kTokens, 32, 32, 16, 8, 16};
  c.spec.causal = true;
  run(make_inputs(c), c.spec, make_grad(c), Through::fused);
}

TEST_P(CudaSectors, AreStoredWhole) {
  const Stores& stores = GetParam();
  Uses uses;
  attend(stores.map);
  const auto expect = [&](const std::string& kind, uint64_t floats) {
    const Use use = uses.of(kind + stores.pipelines + "_cuda");
    EXPECT_GT(use.calls, 0u) << kind;
    EXPECT_EQ(use.sectors, use.calls * kTokens * floats * sizeof(float) / 32) << kind;
  };
  expect("features_", stores.features);
  expect("features_grad_", stores.gradient);
}

/// The output and three gradients, and a denominator a token.
TEST(CudaMoves, OfTokensAreStoredWhole) {
  if (!kernels::find_pipeline("rows_scatter_cuda")) GTEST_SKIP() << "built without nvcc";
  Uses uses;
  attend("elu");
  EXPECT_EQ(uses.of("rows_scatter_cuda").sectors,
            kTokens * (4 * 32) * sizeof(float) / 32 + kTokens / 4);
}

INSTANTIATE_TEST_SUITE_P(Maps, CudaSectors, ::testing::ValuesIn(kStores),
                         [](const auto& info) { return std::string(info.param.pipelines); });

}  // namespace
}  // namespace luna::test
