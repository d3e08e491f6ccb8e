// Rows in memory (stand-in device, PTX interpreter): products and moves against float64, by the
// kernels in CUDA C++ and by what defines them.
#include "runtime/kernels/cuda/products.h"
#include "runtime/kernels/cuda/row_moves.h"
#include "tests/support/compare.h"
#include "tests/support/poison.h"
#include "tests/support/ptx/driver.h"

namespace luna::test::rows {  // where the declarations end
namespace {

using kernels::cuda::Backend;
using kernels::cuda::Chunks;
using kernels::cuda::HeadMap;
using kernels::cuda::InChunk;
using kernels::cuda::kDevice;
using kernels::cuda::Seen;

constexpr double kRowsTolerance = 1e-6;
constexpr int64_t kChunk = 64;
constexpr int64_t kMatrices = 4;  ///< of the left operand

bool in_cuda_cpp(const std::string& name) {
  for (const char* part : {"_f32", "rows_gather", "rows_scatter", "rows_scan_f64"}) {
    if (name.find(part) != std::string::npos) return true;
  }
  return false;
}

/// All kernels, or Halide's alone.
Backend backend_of(bool cuda_cpp) {
  Backend backend = kDevice;
  if (!cuda_cpp) {
    backend.find = [](const std::string& name, const kernels::cuda::About& call) {
      return in_cuda_cpp(name) ? kernels::Pipeline{} : kDevice.find(name, call);
    };
  }
  return backend;
}

at::Tensor draw(at::IntArrayRef shape) { return at::randn(shape).to(fused_device()); }
at::Tensor wide(const at::Tensor& x) { return x.cpu().to(at::kDouble); }

class CudaRows : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fused_device().is_cuda()) << "set LUNA_TEST_DEVICE=cuda:0";
    poison_fresh_memory();
    at::manual_seed(7);
    take_ptx_counts();
  }
  const Backend backend_ = backend_of(GetParam());
};

/// The tensor that a call is about says its rows.
TEST(About, CountsAllDimensionsButTheLast) {
  EXPECT_EQ(kernels::cuda::About(at::empty({2, 3, 5, 8})).rows, 30);
  EXPECT_EQ(kernels::cuda::About(at::empty({8})).rows, 1);
  EXPECT_EQ(kernels::cuda::About(fused_device()).rows, 0);
}

TEST(About, IsWhatAScheduleIsChosenBy) {
  static int64_t seen;
  Backend backend = kDevice;
  backend.find = [](const std::string& name, const kernels::cuda::About& call) {
    seen = call.rows;
    return kDevice.find(name, call);
  };
  dots(backend, draw({2, 70, 48}), draw({2, 84, 48}), HeadMap{1, 1, 1});
  EXPECT_EQ(seen, 2 * 70);
}

/// Of every z, its matrix of `rows` [z', ..].
at::Tensor chosen(const at::Tensor& rows, const HeadMap& map) {
  std::vector<int64_t> index;
  for (int64_t i = 0; i < kMatrices; i++) {
    const int64_t own = i / map.outer * (map.heads / map.group) + i % map.heads / map.group;
    index.push_back(own % rows.size(0));
  }
  return wide(rows).index_select(0, at::tensor(index));
}

TEST_P(CudaRows, OuterProductsAreThoseOfFloat64) {
  for (const auto& [tokens, D, e] : std::vector<std::array<int64_t, 3>>{
           {1, 4, 16}, {37, 32, 80}, {64, 128, 96}, {150, 68, 176}}) {
    const at::Tensor a = draw({3, tokens, D}), columns = draw({3, tokens, e});
    const at::Tensor given = outer_product(backend_, a, columns);
    EXPECT_LE(error(given.cpu(), at::matmul(wide(a).transpose(1, 2), wide(columns))).rms,
              kRowsTolerance)
        << tokens << " " << D << " " << e;
  }
}

TEST_P(CudaRows, ProductsAreThoseOfFloat64) {
  const HeadMap grouped{4, 4, 2}, own{1, 1, 1}, one{4, 4, 4};
  for (const auto& [n, k, i] :
       std::vector<std::array<int64_t, 3>>{{1, 16, 4}, {17, 80, 36}, {70, 48, 84}}) {
    for (const auto& [map, others] :
         std::vector<std::pair<HeadMap, int64_t>>{{grouped, 2}, {own, kMatrices}, {one, 1}}) {
      const at::Tensor c = draw({kMatrices, n, k});
      const at::Tensor apply = draw({others, k, i}), by_k = draw({others, i, k});
      EXPECT_LE(
          error(combine(backend_, c, apply, map).cpu(), at::matmul(wide(c), chosen(apply, map)))
              .rms,
          kRowsTolerance)
          << n << " " << k << " " << i;
      EXPECT_LE(error(dots(backend_, c, by_k, map).cpu(),
                      at::matmul(wide(c), chosen(by_k, map).transpose(1, 2)))
                    .rms,
                kRowsTolerance)
          << n << " " << k << " " << i;
    }
  }
}

/// What a chunk's tokens see of `tokens` others, [n, s].
at::Tensor mask_of(Seen seen, int64_t tokens) {
  const at::Tensor s = at::arange(tokens) % kChunk, n = at::arange(kChunk).unsqueeze(-1);
  return (seen == Seen::earlier ? s <= n : s >= n).to(at::kDouble);
}

/// A causal problem's part: query heads that read key heads', or a key head that reads its group's.
struct ChunkCase {
  Seen seen;
  HeadMap map;
  int64_t others, tokens;
};
const ChunkCase kChunkCases[] = {{Seen::earlier, {4, 4, 2}, 2, kChunk},
                                 {Seen::earlier, {1, 1, 1}, kMatrices, kChunk},
                                 {Seen::later, {2, 2, 1}, kMatrices, 2 * kChunk}};

TEST_P(CudaRows, ChunksAreThoseOfFloat64) {
  for (const ChunkCase& c : kChunkCases) {
    for (const auto& [k, i] : std::vector<std::array<int64_t, 2>>{{16, 4}, {80, 100}}) {
      const at::Tensor own = draw({kMatrices, kChunk, k}), by_i = draw({c.others, k, i});
      const InChunk chunk{draw({c.others, c.tokens, k}), draw({c.others, c.tokens, i}), c.seen};
      const at::Tensor scores =
          at::matmul(wide(own), chosen(chunk.against, c.map).transpose(1, 2)) *
          mask_of(c.seen, c.tokens);
      const at::Tensor within = at::matmul(scores, chosen(chunk.values, c.map));
      const at::Tensor exact = at::matmul(wide(own), chosen(by_i, c.map)) + within;
      EXPECT_LE(error(combine(backend_, own, by_i, c.map, &chunk).cpu(), exact).rms,
                kRowsTolerance);
      const at::Tensor by_k = by_i.transpose(1, 2).contiguous();
      EXPECT_LE(error(dots(backend_, own, by_k, c.map, &chunk).cpu(), exact).rms, kRowsTolerance);
    }
  }
}

TEST_P(CudaRows, WhatIsNotFiniteReachesOnlyTokensThatSeeIt) {
  for (const double bad : {kNan, std::numeric_limits<double>::infinity()}) {
    for (const Seen seen : {Seen::earlier, Seen::later}) {
      const at::Tensor own = draw({1, kChunk, 16}), rows = draw({1, 16, 20});
      const InChunk clean{draw({1, kChunk, 16}), draw({1, kChunk, 20}), seen};
      const at::Tensor right = combine(backend_, own, rows, {1, 1, 1}, &clean).cpu();
      const at::Tensor sees = mask_of(seen, kChunk).select(1, 21) != 0;
      InChunk value = clean, score = clean;
      value.values = clean.values.clone();
      value.values[0][21][7] = bad;
      at::Tensor expected = at::zeros({kChunk, 20}, at::kBool);
      expected.select(1, 7).copy_(sees);
      at::Tensor given = combine(backend_, own, rows, {1, 1, 1}, &value).cpu();
      EXPECT_TRUE(given[0].isfinite().logical_not().equal(expected));
      EXPECT_TRUE(same_bits(given[0].masked_select(~expected), right[0].masked_select(~expected)));
      score.against = clean.against.clone();
      score.against[0][21][3] = bad;
      given = combine(backend_, own, rows, {1, 1, 1}, &score).cpu();
      expected = sees.unsqueeze(-1).expand({kChunk, 20});
      EXPECT_TRUE(given[0].isfinite().logical_not().equal(expected));
      EXPECT_TRUE(same_bits(given[0].masked_select(~expected), right[0].masked_select(~expected)));
    }
  }
}

TEST_P(CudaRows, ScansAddUpWhatIsBefore) {
  for (const bool reverse : {false, true}) {
    for (const int64_t chunks : {1, 8, 21}) {
      const at::Tensor states = draw({2, chunks, 150}), total = draw({2, 150}).to(at::kDouble);
      const at::Tensor order = reverse ? wide(states).flip(1) : wide(states);
      const at::Tensor sums = wide(total).unsqueeze(1) + order.cumsum(1), before = sums - order;
      const at::Tensor given = scan(backend_, states, total, reverse, /*tokens=*/1).cpu();
      EXPECT_LE(error(given, reverse ? before.flip(1) : before).rms, kRowsTolerance) << chunks;
      EXPECT_LE(error(total.cpu(), sums.select(1, chunks - 1)).rms, 1e-12) << chunks;
    }
  }
}

TEST_P(CudaRows, KernelsInCudaCppRunWhereTheyAreBuilt) {
  if (!kernels::find_pipeline("rows_apply_f32_cuda")) GTEST_SKIP() << "built without nvcc";
  combine(backend_, draw({1, 5, 16}), draw({1, 16, 4}), {1, 1, 1});
  for (const auto& [name, counts] : take_ptx_counts()) {
    EXPECT_EQ(in_cuda_cpp(name), GetParam()) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, CudaRows, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "CudaCpp" : "Halide"; });

/// Sizes and alignments of a moved tensor, [B, H, T, w] with tokens before heads or after.
class CudaMoves : public ::testing::TestWithParam<std::tuple<at::ScalarType, int64_t, bool>> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fused_device().is_cuda()) << "set LUNA_TEST_DEVICE=cuda:0";
    if (!kernels::find_pipeline("rows_gather_cuda")) GTEST_SKIP() << "built without nvcc";
    poison_fresh_memory();
    at::manual_seed(9);
    w_ = std::get<1>(GetParam());
  }
  at::Tensor tokens() const {
    const auto& [dtype, w, tokens_first] = GetParam();
    const at::Tensor x = tokens_first ? at::randn({2, 70, 3, w}).transpose(1, 2)
                                      : at::randn({2, 3, 70, w + 1}).narrow(3, 1, w);
    return x.to(fused_device()).to(dtype);
  }
  at::Tensor scalars() const { return draw({2, 3, 70}); }
  static at::Tensor weights() { return at::randn({2, 3, 70}).clamp_min(0.0).to(fused_device()); }

  const Chunks chunks_{2, 3, 70, 32};
  int64_t w_ = 0;
};

TEST_P(CudaMoves, GatherWhatAtenDoes) {
  const Backend ours = backend_of(true), atens = backend_of(false);
  at::Tensor x = tokens();
  const int64_t width = (w_ + 16) / 16 * 16;
  const at::Tensor o = draw({2, 3, 70, w_}), den = scalars();
  const kernels::Denominator rule{0.1f, 0.5f};
  for (const at::Tensor& weight : {at::Tensor{}, weights()}) {
    if (weight.defined()) x.masked_fill_((weight == 0).unsqueeze(-1), kNan);
    EXPECT_TRUE(same_bits(gather_rows(ours, chunks_, x, weight, width).cpu(),
                          gather_rows(atens, chunks_, x, weight, width).cpu()));
    EXPECT_TRUE(same_bits(gather_keys(ours, chunks_, x, weight, width).cpu(),
                          gather_keys(atens, chunks_, x, weight, width).cpu()));
    const at::Tensor given = gather_queries(ours, chunks_, x, o, den, weight, rule, width).cpu();
    const at::Tensor exact = gather_queries(atens, chunks_, x, o, den, weight, rule, width).cpu();
    EXPECT_LE(error(given, exact.to(at::kDouble)).rms, kRowsTolerance);
  }
}

TEST_P(CudaMoves, ScatterWhatAtenDoes) {
  const Backend ours = backend_of(true), atens = backend_of(false);
  const at::Tensor rows = draw({chunks_.z(), 32, (w_ + 16) / 16 * 16});
  const kernels::Denominator rule{0.1f, 0.5f};
  for (const at::Tensor& weight : {at::Tensor{}, weights()}) {
    const at::Tensor one = tokens(), other = one.clone();
    scatter_rows(ours, chunks_, rows, weight, one);
    scatter_rows(atens, chunks_, rows, weight, other);
    EXPECT_TRUE(same_bits(one.cpu(), other.cpu()));
    scatter_weighted(ours, chunks_, rows, weight, one);
    scatter_weighted(atens, chunks_, rows, weight, other);
    EXPECT_TRUE(same_bits(one.cpu(), other.cpu()));
    const at::Tensor den = scalars(), den_of_aten = scalars();
    scatter_quotients(ours, chunks_, rows, weight, rule, den, one);
    scatter_quotients(atens, chunks_, rows, weight, rule, den_of_aten, other);
    EXPECT_TRUE(same_bits(one.cpu(), other.cpu()));
    EXPECT_TRUE(same_bits(den.cpu(), den_of_aten.cpu()));
  }
}

INSTANTIATE_TEST_SUITE_P(Tensors, CudaMoves,
                         ::testing::Combine(::testing::Values(at::kFloat, at::kBFloat16, at::kHalf),
                                            ::testing::Values(1, 7, 36, 64), ::testing::Bool()));

}  // namespace
}  // namespace luna::test::rows
