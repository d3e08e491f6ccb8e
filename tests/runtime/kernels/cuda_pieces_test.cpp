// Features in memory, piece by piece (stand-in device, PTX interpreter): however small a piece may
// be, the results are those of a single one. And what calls of pipelines are about.
#include <set>

#include "generators/common/tiles.h"
#include "runtime/kernels/cuda/passes.h"
#include "runtime/kernels/cuda/row_passes.h"
#include "tests/support/compare.h"

namespace luna::test {
namespace {

using kernels::MapArgs;
using kernels::Problem;
using kernels::cuda::Backend;
using kernels::cuda::kDevice;

constexpr double kPiecesTolerance = 2e-6;

/// Which pipelines were looked up, and for how many rows.
std::set<std::pair<std::string, int64_t>> g_looked_up;

Backend watched() {
  g_looked_up.clear();
  Backend backend = kDevice;
  backend.find = [](const std::string& name, const kernels::cuda::About& call) {
    g_looked_up.emplace(name, call.rows);
    return kDevice.find(name, call);
  };
  return backend;
}

/// That it was for the tokens of all query or key heads, in chunks with those that pad them.
void expect_rows_are_tokens(const Problem& p, int64_t chunk) {
  std::set<int64_t> tokens;
  for (const at::Tensor& x : {p.q, p.k}) {
    const int64_t heads = x.size(0) * x.size(1);
    tokens.insert({heads * x.size(2), heads * tiles::round_up(x.size(2), chunk)});
  }
  EXPECT_FALSE(g_looked_up.empty());
  for (const auto& [name, rows] : g_looked_up) {
    EXPECT_EQ(tokens.count(rows), 1u) << name << ": " << rows << " rows";
  }
}

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

  /// Every result of both directions.
  std::vector<at::Tensor> run(const Backend& backend) const {
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
  Backend small = kDevice;
  small.piece_bytes = 1;
  const std::vector<at::Tensor> whole = run(kDevice), parts = run(small);
  for (size_t i = 0; i < whole.size(); ++i) {
    EXPECT_LE(error(parts[i].cpu(), whole[i].cpu()).rms, kPiecesTolerance) << i;
    EXPECT_FALSE(whole[i].isnan().any().item<bool>()) << i;
  }
}

TEST_P(CudaPieces, CallsAreAboutTheTokensOfAllHeads) {
  run(watched());
  expect_rows_are_tokens(problem_, problem_.causal ? tiles::kCausalChunk : 1);
}

INSTANTIATE_TEST_SUITE_P(Maps, CudaPieces,
                         ::testing::Combine(::testing::Values("relu2", "projected_relu"),
                                            ::testing::Bool()));

Problem elu_problem(int64_t N) {
  const auto draw = [&](int64_t heads, int64_t d) {
    return at::randn({3, heads, N, d}).to(fused_device());
  };
  Problem p;
  p.q = draw(4, 32);
  p.k = draw(2, 32);
  p.v = draw(2, 20);
  p.q_map.map = p.k_map.map = "elu";
  p.denominator.add = 0.5f;
  return p;
}

TEST(CudaCalls, OfBatchedPassesAreAboutTheTokensOfAllHeads) {
  const Problem p = elu_problem(70);
  const Backend backend = watched();
  const kernels::Forward forward = kernels::cuda::forward(backend, p);
  kernels::cuda::backward(backend, p, forward, at::ones_like(forward.o), {});
  expect_rows_are_tokens(p, 1);
}

TEST(CudaCalls, OfADecodingStepAreAboutTheTokensOfAllHeads) {
  const Problem p = elu_problem(1);
  const auto zeros = [&](at::IntArrayRef shape) { return at::zeros(shape, p.q.options()); };
  kernels::cuda::row_decode_step(watched(), p, zeros({3, 2, 33, 20}).narrow(2, 0, 32),
                                 zeros({3, 2, 32}), zeros({3, 4, 1, 20}));
  expect_rows_are_tokens(p, 1);
}

}  // namespace
}  // namespace luna::test
