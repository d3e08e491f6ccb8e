// Exact texts of what is refused of fixed maps, of packed sequences, and for want of kernels.
#include "runtime/ops/checks.h"
#include "tests/runtime/ops/refusal.h"

namespace luna::test {
namespace {

class MapRefused : public ::testing::TestWithParam<Refusal> {};

TEST_P(MapRefused, WithThisMessage) { expect_fused_refusal(GetParam()); }

/// Of one row of tokens.
class PackedRefused : public ::testing::TestWithParam<Refusal> {};

TEST_P(PackedRefused, WithThisMessage) {
  Case c = small_case(GetParam().feature_map);
  c.shape.B = 1;
  c.shape.Nq = c.shape.N;
  ops::Inputs in = make_inputs(c);
  GetParam().change(in, c.spec);
  EXPECT_EQ(torch_error_of([&] { run_forward(in, c.spec, Through::fused); }), GetParam().message);
}

const std::vector<Refusal> kMaps{
    {"t2r_w",
     "fixed_attention: t2r's W must be [m, d] or [Hk, m, d] with Hk = 2, m > 0, d = 16, got [4, 6, "
     "16].",
     [](In in, Options) {
       in.params[0] = in.params[0].expand({4, 6, 16});
     },
     "t2r"},
    {"t2r_b", "fixed_attention: t2r's b must be [m] with m = 6, got [5].",
     [](In in, Options) { in.params[1] = in.params[1].narrow(0, 0, 5); }, "t2r"},
    {"t2r_b_of_heads", "fixed_attention: t2r's b must be [Hk, m] with Hk = 2, m = 6, got [6].",
     [](In in, Options) {
       in.params[0] = in.params[0].expand({2, 6, 16});
     },
     "t2r"},
    {"t2r_count",
     "fixed_attention: feature map \"t2r\" takes 2 parameters (W [m, d] or [Hk, m, d], b [m] or "
     "[Hk, m]), got 1.",
     [](In in, Options) { in.params.pop_back(); }, "t2r"},
    {"rfa_sigma", "fixed_attention: rfa's sigma must be [d] with d = 16, got [6].",
     [](In in, Options) { in.params[1] = at::ones({6}); }, "rfa"},
    {"rfa_grad", "fixed_attention: rfa's W is a fixed draw and gets no gradient; pass W.detach().",
     [](In in, Options) { in.params[0].requires_grad_(true); }, "rfa"},
    {"no_rows", "fixed_attention: rff's W must be [m, d] with m > 0, d = 16, got [0, 16].",
     [](In in, Options) { in.params[0] = in.params[0].narrow(0, 0, 0); }, "rff"},
    {"power_dtype", "fixed_attention: polaformer's power must have q's dtype Float, got Double.",
     [](In in, Options) { in.params[0] = in.params[0].to(at::kDouble); }, "polaformer"},
    {"odd_values",
     "fixed_attention: feature_map \"polaformer\" needs an even dv, whose halves it attends apart, "
     "got 11.",
     [](In in, Options) { in.v = in.v.narrow(3, 0, 11); }, "polaformer"},
    {"nu", "fixed_attention: feature_map \"dpfp:32\" takes nu up to 2d - 1 = 31 at d = 16.",
     [](In, Options o) { o.feature_map = "dpfp:32"; }, "dpfp"},
    {"causal_cosformer",
     "fixed_attention: causal with feature_map \"cosformer\" is refused: its angles would change "
     "with every later token; name the largest length, as in \"cosformer:4096\".",
     [](In in, Options o) {
       o.causal = true;
       in.q = at::ones({2, 4, 37, 16});
     },
     "cosformer"},
    {"cosformer_length",
     "fixed_attention: feature_map \"cosformer:36\" takes at most 36 tokens, got 37; name a larger "
     "length.",
     [](In, Options o) { o.feature_map = "cosformer:36"; }, "cosformer"},
};

const std::vector<Refusal> kPsi{
    {"deep_count",
     "fixed_attention: feature map \"luna-deep:1\" takes 6 parameters (proj_weight [m, d], "
     "proj_bias "
     "[m], W_1 [hid1], b_1 [hid1], W_out [L, hid1], b_out [L]), got 8.",
     [](In, Options o) { o.feature_map = "luna-deep:1"; }, "luna-deep"},
    {"deep_layer",
     "fixed_attention: luna-deep's W_2 must be [hid2, hid1] with hid2 > 0, hid1 = 13, got [13, "
     "14].",
     [](In in, Options) { in.params[4] = in.params[4].t(); }, "luna-deep"},
    {"deep_knots",
     "fixed_attention: luna-deep's psi may have at most 4368 knots, got 5000 behind W_1; use fewer "
     "or narrower hidden layers.",
     [](In in, Options) {
       in.params[2] = at::ones({5000});
       in.params[3] = at::linspace(-1, 1, 5000);
       in.params[4] = at::ones({14, 5000});
     },
     "luna-deep"},
    {"spline_few", "fixed_attention: luna-spline takes from 2 to 4370 knots, got 1.",
     [](In in, Options) {
       for (const size_t i : {2, 3}) in.params[i] = in.params[i].narrow(-1, 0, 1);
     },
     "luna-spline"},
    {"spline_many", "fixed_attention: luna-spline takes from 2 to 4370 knots, got 4371.",
     [](In in, Options) {
       in.params[2] = at::arange(4371, at::kFloat);
       in.params[3] = at::ones({4, 4371});
     },
     "luna-spline"},
    {"spline_values",
     "fixed_attention: luna-spline's values must be [L, K] with L > 0, K = 14, got [4, 13].",
     [](In in, Options) { in.params[3] = in.params[3].narrow(1, 0, 13); }, "luna-spline"},
    {"spline_order", "fixed_attention: luna-spline's knots must rise strictly, got 1 behind 2.",
     [](In in, Options) {
       in.params[2] = at::tensor({0.0f, 2.0f, 1.0f});
       in.params[3] = at::ones({4, 3});
     },
     "luna-spline"},
    {"spline_near",
     "fixed_attention: luna-spline's knots must be as far apart as float32's slopes need, 3e-39, "
     "got 1.4013e-45 behind 0.",
     [](In in, Options) {
       in.params[2] = at::tensor({0.0f, 1e-45f, 1.0f});
       in.params[3] = at::ones({4, 3});
     },
     "luna-spline"},
    {"spline_finite", "fixed_attention: luna-spline's knots must be finite, got inf.",
     [](In in, Options) { in.params[2][13] = INFINITY; }, "luna-spline"},
    {"spline_gradient",
     "fixed_attention: luna-spline's knots are given and get no gradient; pass "
     "knots.detach().",
     [](In in, Options) { in.params[2].requires_grad_(true); }, "luna-spline"},
};

const std::vector<Refusal> kUnbuilt{
    {"elements",
     "luna_attention: k may have at most 2147483647 elements, got 2147483648; split the batch or "
     "the "
     "heads.",
     [](In in, Options) {
       in.k = at::zeros({1}).expand({2, 2, int64_t{1} << 25, 16});
       in.v = at::zeros({1}).expand({2, 2, int64_t{1} << 25, 1});
     }},
    {"output_elements",
     "luna_attention: the output may have at most 2147483647 elements, got 2147483648; split the "
     "batch or the heads.",
     [](In in, Options) {
       in.q = at::zeros({1}).expand({2, 4, int64_t{1} << 20, 16});
       in.v = at::zeros({1}).expand({2, 2, 37, 256});
     }},
};

void pack(In in, const std::vector<int64_t>& begins) {
  in.cu_seqlens = at::tensor(begins).to(at::kInt);
}

const std::vector<Refusal> kPacked{
    {"accepted", "no error",
     [](In in, Options) {
       pack(in, {0, 12, 12, 37});
     }},
    {"sparse",
     "luna_attention: cu_seqlens must be a dense tensor, got a Sparse one; pass a dense copy.",
     [](In in, Options) {
       in.cu_seqlens = at::tensor({0, 37}, at::kInt).to_sparse();
     }},
    {"dtype", "luna_attention: cu_seqlens must be int32, got Long.",
     [](In in, Options) {
       in.cu_seqlens = at::tensor({0, 37}, at::kLong);
     }},
    {"shape", "luna_attention: cu_seqlens must be [S + 1] for S > 0 sequences, got [1].",
     [](In in, Options) { pack(in, {0}); }},
    {"ends", "luna_attention: cu_seqlens must begin with 0 and end with N = 37, got 0 and 36.",
     [](In in, Options) {
       pack(in, {0, 36});
     }},
    {"order", "luna_attention: cu_seqlens must not fall, got 11 behind 12.",
     [](In in, Options) {
       pack(in, {0, 12, 11, 37});
     }},
    {"device", "luna_attention: cu_seqlens must be on the host or on q's device cpu, got meta.",
     [](In in, Options) {
       pack(in, {0, 37});
       in.cu_seqlens = in.cu_seqlens->to(at::kMeta);
     }},
    {"batch", "luna_attention: cu_seqlens needs B = 1, all sequences in one row, got B = 2.",
     [](In in, Options) {
       pack(in, {0, 37});
       for (at::Tensor* x : {&in.q, &in.k, &in.v}) *x = x->expand({2, -1, -1, -1});
     }},
    {"queries", "luna_attention: cu_seqlens needs as many queries as keys, got Nq = 36 and N = 37.",
     [](In in, Options) {
       pack(in, {0, 37});
       in.q = in.q.narrow(2, 0, 36);
     }},
};

/// What would be found where the fused operator builds its table holds of the reference too.
TEST(ReferenceRefused, KnotsThatDoNotRise) {
  Case c = small_case("luna-spline");
  ops::Inputs in = make_inputs(c);
  in.params[2] = in.params[2].flip(0);
  const std::string order = torch_error_of([&] { run_forward(in, c.spec, Through::reference); });
  EXPECT_EQ(order.find("reference_attention: luna-spline's knots must rise strictly, got "), 0u)
      << order;
  in.params[2][0] = NAN;
  EXPECT_EQ(torch_error_of([&] { run_forward(in, c.spec, Through::reference); }),
            "reference_attention: luna-spline's knots must be finite, got nan.");
}

INSTANTIATE_TEST_SUITE_P(Maps, MapRefused, ::testing::ValuesIn(kMaps), refusal_name);
INSTANTIATE_TEST_SUITE_P(Psi, MapRefused, ::testing::ValuesIn(kPsi), refusal_name);
INSTANTIATE_TEST_SUITE_P(Unbuilt, MapRefused, ::testing::ValuesIn(kUnbuilt), refusal_name);
INSTANTIATE_TEST_SUITE_P(Packed, PackedRefused, ::testing::ValuesIn(kPacked), refusal_name);

}  // namespace
}  // namespace luna::test
