// Features in memory, piece by piece (stand-in device, PTX interpreter): however small a piece may
// be, the results are those of a single one.
#include "runtime/kernels/cuda/passes.h"
#include "tests/support/compare.h"

namespace luna::test {
namespace {

using kernels::MapArgs;
using kernels::Problem;

constexpr double kPiecesTolerance = 2e-6;

class CudaPieces : public ::testing::TestWithParam<std::tuple<const char*, bool>> {
 protected:
  CudaPieces() {
    at::manual_seed(5);
    const auto& [map, causal] = GetParam();
    const int64_t N = causal ? 200 : 1100;
    problem_.q = draw({2, 2, causal ? N : 70, 6});
    problem_.k = draw({2, 1, N, 6});
    problem_.v = draw({2, 1, N, 5});
    problem_.k_weight = (draw({2, 1, N}) > -1.0).to(at::kFloat);
    problem_.q_map.map = map;
    if (problem_.q_map.map == "projected_relu") {
      problem_.q_map.proj = draw({5, 6});
      problem_.q_map.bias = draw({5});
    }
    problem_.k_map = problem_.q_map;
    problem_.denominator.add = 0.5f;
    problem_.causal = causal;
    grad_ = draw({2, 2, problem_.q.size(2), 5});
  }

  static at::Tensor draw(at::IntArrayRef shape) {
    return at::randn(shape, at::kFloat).to(fused_device());
  }

  /// Every result of both directions, pieces of that size.
  std::vector<at::Tensor> run(int64_t piece_bytes) const {
    kernels::cuda::Backend backend = kernels::cuda::kDevice;
    backend.piece_bytes = piece_bytes;
    const kernels::Forward forward = kernels::cuda::forward(backend, problem_);
    kernels::Wanted wanted;
    wanted.k_weight = true;
    const kernels::Backward backward =
        kernels::cuda::backward(backend, problem_, forward, grad_, wanted);
    std::vector<at::Tensor> out{forward.o,  forward.den, forward.S,  forward.z,
                                backward.q, backward.k,  backward.v, backward.k_weight};
    if (problem_.q_map.proj.defined()) {
      out.insert(out.end(), {backward.q_map.proj, backward.k_map.proj, backward.k_map.bias});
    }
    return out;
  }

  Problem problem_;
  at::Tensor grad_;
};

TEST_P(CudaPieces, GiveWhatASingleOneGives) {
  const std::vector<at::Tensor> whole = run(kernels::cuda::kDevice.piece_bytes), parts = run(1);
  for (size_t i = 0; i < whole.size(); ++i) {
    EXPECT_LE(error(parts[i].cpu(), whole[i].cpu()).rms, kPiecesTolerance) << i;
    EXPECT_FALSE(whole[i].isnan().any().item<bool>()) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Maps, CudaPieces,
                         ::testing::Combine(::testing::Values("relu2", "projected_relu"),
                                            ::testing::Bool()));

}  // namespace
}  // namespace luna::test
