// The oracle of LUNA: against the formula written as loops, against finite differences, and where
// it is causal. The fixed maps: fixed_maps_test.cpp; causal, packed and decoding: modes_test.cpp.
#include "runtime/ops/reference.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/runtime/ops/map_cases.h"

namespace luna::test {
namespace {

using Row = std::vector<double>;

double activate(double x, const std::string& name) {
  if (name == "relu") return std::max(x, 0.0);
  if (name == "leaky_relu") return x > 0 ? x : 0.01 * x;
  if (name == "hardtanh") return std::min(std::max(x, -1.0), 1.0);
  return name == "gelu" ? 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0))) : x / (1.0 + std::exp(-x));
}

/// phi of one token by its formula, without ch_rms.
Row features(const Row& x, const ops::Inputs& in, const ops::Spec& spec) {
  Row phi;
  const auto& p = in.params;
  const int64_t m = p[0].size(0), L = p[4].size(0), hid = p[4].size(1);
  double square = 0;
  for (const double e : x) square += e * e;
  const double h = spec.envelope == "exp"    ? std::exp(-square / 2)
                   : spec.envelope == "norm" ? std::sqrt(square)
                                             : 1.0;
  for (int64_t i = 0; i < m; ++i) {
    double t = p[1][i].item<double>();
    for (size_t j = 0; j < x.size(); ++j)
      t += p[0][i][static_cast<int64_t>(j)].item<double>() * x[j];
    for (int64_t l = 0; l < L; ++l) {
      double psi = p[5][l].item<double>();
      for (int64_t u = 0; u < hid; ++u) {
        const bool shared = p[2].dim() == 1;
        const double w1 = (shared ? p[2][u] : p[2][l][u]).item<double>();
        const double b1 = (shared ? p[3][u] : p[3][l][u]).item<double>();
        psi += p[4][l][u].item<double>() * activate(w1 * t + b1, spec.activation);
      }
      if (spec.nonneg) psi = std::max(psi, 0.0);
      phi.push_back(h / std::sqrt(static_cast<double>(m)) * (psi + spec.feature_eps));
    }
  }
  return phi;
}

Row row(const at::Tensor& x, int64_t b, int64_t h, int64_t n) {
  const at::Tensor values = x[b][h][n].to(at::kDouble).contiguous();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

/// o_i = sum_j (phi(q_i) . phi(k_j)) v_j / rule(sum_j phi(q_i) . phi(k_j)), token by token.
at::Tensor by_loops(const ops::Inputs& in, const ops::Spec& spec) {
  const int64_t B = in.q.size(0), H = in.q.size(1), Nq = in.q.size(2), N = in.k.size(2),
                dv = in.v.size(3);
  at::Tensor out = at::zeros({B, H, Nq, dv}, at::kDouble);
  for (int64_t b = 0; b < B; ++b) {
    for (int64_t h = 0; h < H; ++h) {
      const int64_t hk = h / (H / in.k.size(1));
      for (int64_t i = 0; i < Nq; ++i) {
        const Row phi_q = features(row(in.q, b, h, i), in, spec);
        double den = 0;
        for (int64_t j = 0; j < (spec.causal ? i + 1 : N); ++j) {
          if (in.key_mask && !in.key_mask->index({b, j}).item<bool>()) continue;
          const Row phi_k = features(row(in.k, b, hk, j), in, spec);
          const double score = std::inner_product(phi_q.begin(), phi_q.end(), phi_k.begin(), 0.0);
          den += score;
          out[b][h][i] += score * in.v[b][hk][j].to(at::kDouble);
        }
        out[b][h][i] /= spec.denominator == "add_eps" ? den + spec.eps : std::max(den, spec.eps);
      }
    }
  }
  return out;
}

std::vector<Case> oracle_cases() {
  std::vector<Case> cases;
  for (const bool causal : {false, true}) {
    Case c = small_case();
    c.shape = {2, 4, 2, 5, 5, 3, 4, 3, 2, 5};
    c.spec.causal = causal;
    c.mask = causal ? MaskKind::none : MaskKind::random;
    c.spec.denominator = causal ? "clamp_min" : "add_eps";
    cases.push_back(c);
  }
  for (const char* activation : {"relu", "gelu", "silu", "leaky_relu", "hardtanh"}) {
    for (const char* envelope : {"exp", "norm"}) {
      Case c = cases.front();
      c.spec.activation = activation;
      c.spec.envelope = envelope;
      c.spec.nonneg = envelope == std::string("norm");
      c.spec.feature_eps = 0.1;
      c.separate = c.spec.nonneg;
      cases.push_back(c);
    }
  }
  return cases;
}

class Reference : public ::testing::TestWithParam<Case> {};

TEST_P(Reference, EqualsTheFormulaWrittenAsLoops) {
  const ops::Inputs in = in_double(make_inputs(GetParam()));
  const at::Tensor given = ops::reference_attention(in, GetParam().spec);
  const at::Tensor expected = by_loops(in, GetParam().spec);
  EXPECT_TRUE(at::allclose(given, expected, 1e-11, 1e-12)) << describe(GetParam());
}

TEST_P(Reference, GradientsEqualFiniteDifferences) {
  const Case& c = GetParam();
  ops::Inputs in = in_double(make_inputs(c));
  const at::Tensor grad = make_grad(c).to(at::kDouble);
  const Result result = run(in, c.spec, grad, Through::reference, at::kDouble);
  std::vector<at::Tensor*> leaves{&in.q, &in.k, &in.v};
  for (at::Tensor& p : in.params) leaves.push_back(&p);
  const auto loss = [&] {
    return (ops::reference_attention(in, c.spec) * grad).sum().item<double>();
  };
  for (size_t i = 0; i < leaves.size(); ++i) {
    const at::Tensor direction = at::randn_like(*leaves[i]), original = leaves[i]->clone();
    constexpr double kStep = 1e-6;
    *leaves[i] = original + kStep * direction;
    const double above = loss();
    *leaves[i] = original - kStep * direction;
    const double below = loss();
    *leaves[i] = original;
    const double expected = (result.tensors[i + 1] * direction).sum().item<double>();
    EXPECT_NEAR((above - below) / (2 * kStep), expected, 1e-5 * std::max(1.0, std::abs(expected)))
        << result.names[i + 1] << " " << describe(c);
  }
}

INSTANTIATE_TEST_SUITE_P(Maps, Reference, ::testing::ValuesIn(oracle_cases()));

/// phi by the Listing with ch_rms: y scaled per channel by min(1, target / (rms + 1e-6)).
at::Tensor listing_features(const at::Tensor& x, const ops::Inputs& in, double target) {
  const at::Tensor t = at::matmul(x, in.params[0].t()) + in.params[1];
  const at::Tensor hidden = (t.unsqueeze(-1) * in.params[2] + in.params[3]).relu();
  const at::Tensor y = (at::matmul(hidden, in.params[4].t()) + in.params[5]).relu();
  const at::Tensor rms = (y.square().mean({0, 1, 2, 3}) + 1e-6).sqrt();
  EXPECT_TRUE((rms > target).any().item<bool>()) << "no channel is scaled: the test shows nothing";
  const double root_m = std::sqrt(static_cast<double>(in.params[0].size(0)));
  return (y * (target / (rms + 1e-6)).clamp_max(1.0)).flatten(3) / root_m;
}

TEST(ReferenceChRms, EqualsTheListing) {
  Case c = small_case();
  c.shape.Hk = c.shape.H;
  c.spec.ch_rms_target = 0.05;
  const ops::Inputs in = in_double(make_inputs(c));
  const at::Tensor q = listing_features(in.q, in, 0.05), k = listing_features(in.k, in, 0.05);
  const at::Tensor score = at::matmul(q, k.transpose(-1, -2));
  const at::Tensor expected = at::matmul(score, in.v) / (score.sum(-1, true) + c.spec.eps);
  EXPECT_TRUE(at::allclose(ops::reference_attention(in, c.spec), expected, 1e-10, 1e-12));
}

}  // namespace
}  // namespace luna::test
