// Exact texts of what the operators refuse: each names the argument, what was given and what is
// accepted.
#include <sys/mman.h>

#include "runtime/luna.h"
#include "runtime/ops/fixed_maps.h"
#include "tests/runtime/ops/refusal.h"

namespace luna::test {
namespace {

class Refused : public ::testing::TestWithParam<Refusal> {};

TEST_P(Refused, WithThisMessage) { expect_fused_refusal(GetParam()); }

std::string known_fixed_maps() {
  std::string names;
  for (const char* name : ops::fixed_map_names())
    names += (names.empty() ? "" : ", ") + std::string(name);
  return names;
}

const std::vector<Refusal> kNames{
    {"activation",
     "luna_attention: unknown activation \"rel\"; known: relu, gelu, silu, leaky_relu, hardtanh.",
     [](In, Options o) { o.activation = "rel"; }},
    {"envelope", "luna_attention: unknown envelope \"gauss\"; known: none, exp, norm.",
     [](In, Options o) { o.envelope = "gauss"; }},
    {"psi", "luna_attention: unknown psi \"table\"; known: auto, dense, pwl.",
     [](In, Options o) { o.psi = "table"; }},
    {"denominator", "luna_attention: unknown denominator \"eps\"; known: add_eps, clamp_min.",
     [](In, Options o) { o.denominator = "eps"; }},
    {"feature_map",
     "fixed_attention: unknown feature_map \"tanh\"; known: " + known_fixed_maps() + ".",
     [](In, Options o) { o.feature_map = "tanh"; }, "elu"},
    {"option",
     "fixed_attention: unknown option in feature_map \"performer:foo\"; accepted: performer, "
     "performer:positive, performer:hyperbolic.",
     [](In, Options o) { o.feature_map = "performer:foo"; }, "performer"},
    {"pwl_gelu",
     "luna_attention: psi \"pwl\" needs activation \"relu\", \"leaky_relu\" or \"hardtanh\", got "
     "\"gelu\", which is not piecewise linear; use psi \"dense\" or \"auto\".",
     [](In, Options o) { o.psi = "pwl", o.activation = "gelu"; }},
};

const std::vector<Refusal> kNumbers{
    {"eps", "luna_attention: eps must be >= 0, got -1.", [](In, Options o) { o.eps = -1; }},
    {"ch_rms", "luna_attention: ch_rms_target must be >= 0 (0: off), got -0.1.",
     [](In, Options o) { o.ch_rms_target = -0.1; }},
    {"eps_infinite", "luna_attention: eps must be finite in float32, got inf.",
     [](In, Options o) { o.eps = INFINITY; }},
    {"ch_rms_beyond", "luna_attention: ch_rms_target must be finite in float32, got 1e+300.",
     [](In, Options o) { o.ch_rms_target = 1e300; }},
    {"feature_eps_beyond", "luna_attention: feature_eps must be finite in float32, got 1e+300.",
     [](In, Options o) { o.feature_eps = 1e300; }},
    {"feature_eps", "luna_attention: feature_eps must be finite in float32, got inf.",
     [](In, Options o) { o.feature_eps = INFINITY; }},
    {"pwl_knots",
     "luna_attention: w1 may hold at most 4368 hidden units of activation \"relu\" (1 of 4368 "
     "knots each), got 4372; use psi \"dense\" or \"auto\".",
     [](In in, Options o) {
       o.psi = "pwl";
       in.params[ops::kW1] = in.params[ops::kB1] = in.params[ops::kW2] = at::ones({4, 1093});
     }},
    {"hardtanh_knots",
     "luna_attention: w1 may hold at most 2184 hidden units of activation \"hardtanh\" (2 of 4368 "
     "knots each), got 2188; use fewer, or activation \"relu\" with psi \"auto\".",
     [](In in, Options o) {
       o.activation = "hardtanh";
       in.params[ops::kW1] = in.params[ops::kB1] = in.params[ops::kW2] = at::ones({4, 547});
     }},
    {"dense_leaky_relu",
     "luna_attention: psi \"dense\" needs activation \"relu\", \"gelu\" or \"silu\", got "
     "\"leaky_relu\"; use psi \"auto\" or \"pwl\".",
     [](In, Options o) { o.psi = "dense", o.activation = "leaky_relu"; }},
    {"causal", "luna_attention: causal needs as many queries as keys, got Nq = 9 and N = 37.",
     [](In, Options o) { o.causal = true; }},
    {"causal_ch_rms",
     "luna_attention: causal with ch_rms_target > 0 is refused: the RMS over all tokens would show "
     "a token the "
     "future; set ch_rms_target=0.",
     [](In, Options o) { o.causal = true, o.ch_rms_target = 0.1; }},
};

const std::vector<Refusal> kShapes{
    {"sparse", "luna_attention: k must be a dense tensor, got a Sparse one; pass a dense copy.",
     [](In in, Options) { in.k = in.k.to_sparse(); }},
    {"sparse_mask",
     "luna_attention: key_mask must be a dense tensor, got a Sparse one; pass a dense copy.",
     [](In in, Options) {
       in.key_mask = at::ones({2, 37}, at::kBool).to_sparse();
     }},
    {"sparse_param",
     "luna_attention: b1 must be a dense tensor, got a Sparse one; pass a dense "
     "copy.",
     [](In in, Options) { in.params[ops::kB1] = in.params[ops::kB1].to_sparse(); }},
    {"sparse_fixed_param",
     "fixed_attention: W must be a dense tensor, got a Sparse one; pass a dense copy.",
     [](In in, Options) { in.params[0] = in.params[0].to_sparse(); }, "performer"},
    {"rank", "luna_attention: q must be [B, H, Nq, d], got shape [4, 9, 16].",
     [](In in, Options) { in.q = in.q[0]; }},
    {"batch", "luna_attention: q, k and v must share the batch size B, got 1, 2 and 2.",
     [](In in, Options) { in.q = in.q.narrow(0, 0, 1); }},
    {"heads",
     "luna_attention: k's head count Hk must divide q's H, both > 0, got Hk = 2 and H = 3.",
     [](In in, Options) { in.q = in.q.narrow(1, 0, 3); }},
    {"no_heads",
     "luna_attention: k's head count Hk must divide q's H, both > 0, got Hk = 2 and H = 0.",
     [](In in, Options) { in.q = in.q.narrow(1, 0, 0); }},
    {"kv_heads", "luna_attention: k and v must share the head count Hk, got 2 and 1.",
     [](In in, Options) { in.v = in.v.narrow(1, 0, 1); }},
    {"kv_length", "luna_attention: k and v must share the length N, got 37 and 36.",
     [](In in, Options) { in.v = in.v.narrow(2, 0, 36); }},
    {"head_size", "luna_attention: q and k must share the head size d, got 15 and 16.",
     [](In in, Options) { in.q = in.q.narrow(3, 0, 15); }},
    {"no_values", "luna_attention: d and dv must be > 0, got 16 and 0.",
     [](In in, Options) { in.v = in.v.narrow(3, 0, 0); }},
    {"mask", "luna_attention: key_mask must be [B, N] = [2, 37], got [2, 9].",
     [](In in, Options) {
       in.key_mask = at::ones({2, 9}, at::kBool);
     }},
    {"mask_dtype", "luna_attention: key_mask must be bool (true = keep), got Float.",
     [](In in, Options) {
       in.key_mask = at::ones({2, 37});
     }},
};

const std::vector<Refusal> kParams{
    {"proj_weight", "luna_attention: proj_weight must be [m, d] with m > 0, d = 16, got [6, 15].",
     [](In in, Options) { in.params[0] = in.params[0].narrow(1, 0, 15); }},
    {"proj_bias", "luna_attention: proj_bias must be [m] = [6], got [5].",
     [](In in, Options) { in.params[1] = in.params[1].narrow(0, 0, 5); }},
    {"w1",
     "luna_attention: w1 must be [hid] (shared psi) or [L, hid] (separate psi) as w2 = [L, hid] = "
     "[4, 13], got "
     "[12].",
     [](In in, Options) { in.params[2] = in.params[2].narrow(0, 0, 12); }},
    {"b1", "luna_attention: b1 must be as w1 = [13], got [12].",
     [](In in, Options) { in.params[3] = in.params[3].narrow(0, 0, 12); }},
    {"w2", "luna_attention: w2 must be [L, hid] with L > 0, got [13].",
     [](In in, Options) { in.params[4] = in.params[4][0]; }},
    {"no_channels", "luna_attention: w2 must be [L, hid] with L > 0, got [0, 13].",
     [](In in, Options) { in.params[4] = in.params[4].narrow(0, 0, 0); }},
    {"b2", "luna_attention: b2 must be [L] = [4], got [3].",
     [](In in, Options) { in.params[5] = in.params[5].narrow(0, 0, 3); }},
    {"performer_count",
     "fixed_attention: feature map \"performer\" takes 1 parameters (W [m, d]), got 0.",
     [](In in, Options) { in.params.clear(); }, "performer"},
    {"elu_count", "fixed_attention: feature map \"elu\" takes 0 parameters, got 1.",
     [](In in, Options) {
       in.params = {at::ones({4, 16})};
     },
     "elu"},
    {"performer_w",
     "fixed_attention: performer's W must be [m, d] with m > 0, d = 16, got [6, 15].",
     [](In in, Options) { in.params[0] = in.params[0].narrow(1, 0, 15); }, "performer"},
    {"performer_grad",
     "fixed_attention: performer's W is a fixed draw and gets no gradient; pass W.detach().",
     [](In in, Options) { in.params[0].requires_grad_(true); }, "performer"},
};

const std::vector<Refusal> kTypes{
    {"dtype",
     "luna_attention: dtype Double is not built on cpu, only Float, BFloat16 and Half; cast the "
     "inputs, or use luna::reference_attention.",
     [](In in, Options) {
       for (at::Tensor* x : {&in.q, &in.k, &in.v}) *x = x->to(at::kDouble);
       for (at::Tensor& x : in.params) x = x.to(at::kDouble);
     }},
    {"mixed_dtype", "luna_attention: k must have q's dtype Float, got Double.",
     [](In in, Options) { in.k = in.k.to(at::kDouble); }},
    {"param_dtype", "luna_attention: w2 must have q's dtype Float, got Half.",
     [](In in, Options) { in.params[4] = in.params[4].to(at::kHalf); }},
    {"integer", "luna_attention: q must be floating point, got Long.",
     [](In in, Options) { in.q = in.q.to(at::kLong); }},
    {"device", "luna_attention: v must be on q's device cpu, got meta.",
     [](In in, Options) { in.v = in.v.to(at::kMeta); }},
};

INSTANTIATE_TEST_SUITE_P(Names, Refused, ::testing::ValuesIn(kNames), refusal_name);
INSTANTIATE_TEST_SUITE_P(Numbers, Refused, ::testing::ValuesIn(kNumbers), refusal_name);
INSTANTIATE_TEST_SUITE_P(Shapes, Refused, ::testing::ValuesIn(kShapes), refusal_name);
INSTANTIATE_TEST_SUITE_P(Params, Refused, ::testing::ValuesIn(kParams), refusal_name);
INSTANTIATE_TEST_SUITE_P(Types, Refused, ::testing::ValuesIn(kTypes), refusal_name);

/// [1, 1, 128, 32] whose tokens are so far apart that a tile of them spans 2^31 elements; memory
/// that is never touched takes no room.
class FarApart {
 public:
  FarApart() {
    memory_ = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
  }
  ~FarApart() { munmap(memory_, kBytes); }
  FarApart(const FarApart&) = delete;
  FarApart& operator=(const FarApart&) = delete;
  at::Tensor tokens() const {
    return at::from_blob(memory_, {1, 1, kTokens, 32},
                         {kTokens * kStride, kTokens * kStride, kStride, 1});
  }

 private:
  static constexpr int64_t kTokens = 128, kStride = 1 << 24;
  static constexpr size_t kBytes = sizeof(float) * kTokens * kStride;
  void* memory_;
};

TEST(Spans, BeyondHalidesCountingNameTheCure) {
  const FarApart far;
  const std::string cure =
      " span of 2147483648 elements is beyond 32-bit indexing; pass contiguous tensors, or split "
      "the batch";
  const at::Tensor near = at::randn({1, 1, 128, 32});
  const auto error = [](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    return torch_error_of([&] { fixed_attention(q, k, v, "elu", {}); });
  };
  EXPECT_EQ(error(far.tokens(), near, near), "luna: features_elu: a" + cure);
  EXPECT_EQ(error(near, far.tokens(), near), "luna: features_elu: a" + cure);
  EXPECT_EQ(error(near, near, far.tokens()), "luna: a tile: a" + cure);
}

}  // namespace
}  // namespace luna::test
