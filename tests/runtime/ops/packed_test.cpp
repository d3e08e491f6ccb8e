// Packed sequences: each is as if it were alone, bit for bit, whatever lies beside it and on any
// number of threads.
#include "runtime/ops/packed.h"

#include <ATen/Parallel.h>

#include "runtime/ops/internal.h"
#include "runtime/ops/packed_attention.h"
#include "tests/support/compare.h"
#include "tests/support/torch_error.h"

namespace luna::test {
namespace {

class Packed : public ::testing::TestWithParam<std::tuple<std::string, bool>> {
 protected:
  Packed() {
    const auto& [name, causal] = GetParam();
    case_ = name == "luna segments" ? segment_case() : small_case(name);
    case_.spec.causal = causal;
    case_.shape.B = 1;
    // In parallel: no sequence is longer than half of all tokens. Two of them are empty.
    const int64_t N = case_.shape.N;
    pack({0, N, N, N + 3, 2 * N + 3, 3 * N, 3 * N});
  }
  void pack(const std::vector<int64_t>& begins) {
    case_.begins = begins;
    case_.shape.N = case_.shape.Nq = begins.back();
    in_ = make_inputs(case_);
  }
  Result fused(const ops::Inputs& in, at::ScalarType dtype = at::kFloat) const {
    return run(in, case_.spec, make_grad(case_), Through::fused, dtype);
  }
  Result alone(size_t s, at::ScalarType dtype = at::kFloat) const {
    const int64_t first = case_.begins[s], end = case_.begins[s + 1];
    return run(ops::sequence(in_, first, end), case_.spec,
               make_grad(case_).narrow(2, first, end - first), Through::fused, dtype);
  }
  std::string name() const { return describe(case_); }

  Case case_;
  ops::Inputs in_;
};

TEST_P(Packed, EqualsSeparateCallsBitForBit) {
  for (const MaskKind mask : {MaskKind::none, MaskKind::random}) {
    case_.mask = mask;
    pack(case_.begins);
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      const Result together = fused(in_, dtype);
      std::vector<std::vector<at::Tensor>> parts(together.names.size());
      for (size_t s = 0; s + 1 < case_.begins.size(); ++s) {
        const Result own = alone(s, dtype);
        for (size_t i = 0; i < parts.size(); ++i) parts[i].push_back(own.tensors[i]);
      }
      for (size_t i = 0; i < parts.size(); ++i) {
        if (i < 4) {
          EXPECT_TRUE(same_bits(together.tensors[i], at::cat(parts[i], 2)))
              << name() << " " << together.names[i];
        } else if (dtype == at::kFloat) {  // half: the sum is rounded, not its parts
          at::Tensor sum = parts[i][0].to(at::kDouble);
          for (size_t s = 1; s < parts[i].size(); ++s) sum += parts[i][s];
          EXPECT_TRUE(same_bits(together.tensors[i], sum.to(at::kFloat)))
              << name() << " " << together.names[i];
        }
      }
    }
  }
}

TEST_P(Packed, SameBitsForAnyNumberOfThreads) {
  const int threads = at::get_num_threads();
  const int64_t N = case_.begins[1];
  // Sequences side by side, and one too long for that.
  for (const auto& begins : {case_.begins, std::vector<int64_t>{0, 2, 3, 3 + 2 * N}}) {
    pack(begins);
    at::set_num_threads(1);
    const Result one = fused(in_);
    at::set_num_threads(2);
    const Result two = fused(in_);
    at::set_num_threads(threads);
    for (size_t i = 0; i < one.names.size(); ++i) {
      EXPECT_TRUE(same_bits(one.tensors[i], two.tensors[i])) << name() << " " << one.names[i];
    }
  }
}

TEST_P(Packed, NanReachesNoOtherSequence) {
  const Result clean = fused(in_);
  const int64_t first = case_.begins[3], end = case_.begins[4];
  for (at::Tensor ops::Inputs::*which : {&ops::Inputs::q, &ops::Inputs::k, &ops::Inputs::v}) {
    ops::Inputs in = in_;
    in.*which = (in.*which).clone();
    (in.*which).narrow(2, first, end - first).fill_(kNan);
    const Result given = fused(in);
    EXPECT_TRUE(given.tensors[0].narrow(2, first, end - first).isnan().all().item<bool>());
    for (size_t i = 0; i < 4; ++i) {
      for (const auto& [begin, stop] :
           {std::pair<int64_t, int64_t>{0, first}, {end, case_.begins.back()}}) {
        const auto others = [&](const Result& r) {
          return r.tensors[i].narrow(2, begin, stop - begin);
        };
        EXPECT_TRUE(same_bits(others(given), others(clean))) << name() << " " << clean.names[i];
      }
    }
  }
}

/// On CUDA all maps share what tells sequences apart.
std::vector<std::string> maps(const std::vector<std::string>& fixed) {
  std::vector<std::string> names = fixed;
  if (!fused_device().is_cpu()) names = {"elu", "polaformer"};
  names.insert(names.begin(), {"luna", "luna segments"});
  return names;
}

INSTANTIATE_TEST_SUITE_P(Whole, Packed,
                         ::testing::Combine(::testing::ValuesIn(maps(fused_map_names())),
                                            ::testing::Values(false)));
INSTANTIATE_TEST_SUITE_P(Causal, Packed,
                         ::testing::Combine(::testing::ValuesIn(maps(causal_map_names())),
                                            ::testing::Values(true)));

TEST(PackedChRms, IsOfEverySequence) {
  Case c = small_case();
  c.shape.B = 1;
  c.begins = {0, 10, 10, 37};
  c.shape.Nq = c.shape.N;
  c.spec.ch_rms_target = 0.05;
  expect_within_bounds(c);
}

TEST(PackedCosFormer, CountsEverySequenceFromItsFirstToken) {
  Case c = small_case("cosformer:40");
  c.shape.B = 1;
  c.begins = {0, 18, 37};
  c.shape.Nq = c.shape.N;
  const ops::Inputs in = make_inputs(c);
  c.spec.feature_map = "cosformer:20";  // fewer than all tokens, enough for each sequence
  expect_within_bounds(run_all(in, c.spec, make_grad(c)), describe(c));
}

/// What depends on parameters alone is made once a call, not once a sequence: nothing reads the
/// parameters after it.
TEST(PackedMaps, AreMadeOnceACall) {
  for (const char* name : {"luna", "luna-deep", "luna-spline"}) {
    Case c = small_case(name);
    c.shape.B = 1;
    c.begins = {0, 18, 37};
    c.shape.Nq = c.shape.N;
    const ops::Inputs in = make_inputs(c);
    const ops::PreparedMap map(c.spec.op(), in.params, c.spec);
    ops::Inputs spoilt = in;
    for (at::Tensor& param : spoilt.params) param = at::full_like(param, kNan);
    const kernels::Forward given = ops::packed_forward(in, c.spec, map);
    EXPECT_FALSE(given.o.isnan().any().item<bool>()) << name;
    EXPECT_TRUE(same_bits(ops::packed_forward(spoilt, c.spec, map).o, given.o)) << name;
    ops::WantedGradients wanted{true, true, true, std::vector<bool>(in.params.size(), true)};
    wanted.params[2] = c.spec.learned();  // a spline's knots have none
    const auto gradients = [&](const ops::Inputs& from) {
      return ops::packed_backward(make_grad(c), from, given, c.spec, wanted, map);
    };
    const ops::Gradients expected = gradients(in), found = gradients(spoilt);
    EXPECT_TRUE(same_bits(found.k, expected.k)) << name;
    for (size_t i = 0; i < in.params.size(); ++i) {
      if (!wanted.params[i]) continue;
      EXPECT_TRUE(same_bits(found.params[i], expected.params[i])) << name;
    }
  }
}

/// A traced graph has not seen the values that it is run with.
TEST(PackedGraph, ChecksOffsetsWhereItRuns) {
  Case c = small_case("elu");
  c.shape.B = 1;
  c.begins = {0, 18, 37};
  c.shape.Nq = c.shape.N;
  ops::Inputs in = make_inputs(c);
  in.cu_seqlens = at::tensor({0, 18, 36}, at::kInt);
  EXPECT_EQ(torch_error_of([&] { ops::call_forward(in, c.spec, at::kFloat); }),
            "fixed_attention: cu_seqlens must begin with 0 and end with N = 37, got 0 and 36.");
}

}  // namespace
}  // namespace luna::test
