// Exact texts of what prefill and decoding refuse.
#include "tests/runtime/ops/refusal.h"
#include "tests/support/decode.h"

namespace luna::test {
namespace {

/// Arguments of a good step of a small case, B 2, H 4, Hk 2, d 16, dv 12, D = m L = 24.
struct Step {
  at::Tensor q, k, v, state, norm;
  LunaParams params;
  LunaOptions options;
  std::string feature_map = "luna";
  std::optional<at::Tensor> positions = {};
};

struct StepRefusal {
  const char* name;
  std::string message;
  std::function<void(Step&)> change;
};
void PrintTo(const StepRefusal& refusal, std::ostream* out) { *out << refusal.name; }

class StepRefused : public ::testing::TestWithParam<StepRefusal> {};

TEST_P(StepRefused, WithThisMessage) {
  Case c = small_case();
  const ops::Inputs in = make_inputs(c);
  Step s{in.q.select(2, 0),     in.k.select(2, 0), in.v.select(2, 0), at::zeros({2, 2, 24, 12}),
         at::zeros({2, 2, 24}), luna_params(in),   options_of(c.spec)};
  GetParam().change(s);
  EXPECT_EQ(torch_error_of([&] {
              if (s.feature_map == "luna") {
                luna_decode_step(s.q, s.k, s.v, s.state, s.norm, s.params, s.options);
              } else {
                fixed_decode_step(s.q, s.k, s.v, s.state, s.norm, s.feature_map, {}, s.options,
                                  s.positions);
              }
            }),
            GetParam().message);
}

const std::vector<StepRefusal> kTensors{
    {"rank", "luna_decode_step: q must be [B, H, d], got shape [2, 4, 1, 16].",
     [](Step& s) { s.q = s.q.unsqueeze(2); }},
    {"heads",
     "luna_decode_step: k's head count Hk must divide q's H, both > 0, got Hk = 2 and H = 3.",
     [](Step& s) { s.q = s.q.narrow(1, 0, 3); }},
    {"state_dtype", "luna_decode_step: state must be float32 whatever q is, got BFloat16.",
     [](Step& s) { s.state = s.state.to(at::kBFloat16); }},
    {"state_shape",
     "luna_decode_step: state must be [B, Hk, D, dv] = [2, 2, 24, 12], got [2, 2, 12, 24].",
     [](Step& s) {
       s.state = s.state.view({2, 2, 12, 24});
     }},
    {"norm_shape", "luna_decode_step: norm must be [B, Hk, D] = [2, 2, 24], got [2, 2, 23].",
     [](Step& s) { s.norm = s.norm.narrow(2, 0, 23); }},
    {"state_stride",
     "luna_decode_step: state must have a last stride of 1, got strides [576, 288, 1, 24]; pass a "
     "contiguous tensor and keep it.",
     [](Step& s) {
       s.state = at::zeros({2, 2, 12, 24}).transpose(2, 3);
     }},
    {"state_negative",
     "luna_decode_step: state must not have torch's negative bit, which a view has whose numbers "
     "are the memory's negated; pass state.resolve_neg() and keep it.",
     [](Step& s) { s.state = at::_neg_view(s.state); }},
    {"norm_negative",
     "luna_decode_step: norm must not have torch's negative bit, which a view has whose numbers "
     "are the memory's negated; pass norm.resolve_neg() and keep it.",
     [](Step& s) { s.norm = at::_neg_view(s.norm); }},
    {"norm_expanded",
     "luna_decode_step: norm is updated in place and its rows must not overlap, got shape [2, 2, "
     "24] with strides [0, 24, 1]; pass a contiguous tensor and keep it.",
     [](Step& s) {
       s.norm = at::zeros({1, 2, 24}).expand({2, 2, 24});
     }},
    {"state_rows_overlap",
     "luna_decode_step: state is updated in place and its rows must not overlap, got shape [2, 2, "
     "24, 12] with strides [576, 288, 11, 1]; pass a contiguous tensor and keep it.",
     [](Step& s) {
       s.state = at::zeros({2 * 576}).as_strided({2, 2, 24, 12}, {576, 288, 11, 1});
     }},
    {"state_heads_overlap",
     "luna_decode_step: state is updated in place and its rows must not overlap, got shape [2, 2, "
     "24, 12] with strides [300, 12, 24, 1]; pass a contiguous tensor and keep it.",
     [](Step& s) {
       s.state = at::zeros({1000}).as_strided({2, 2, 24, 12}, {300, 12, 24, 1});
     }},
    {"state_sparse",
     "luna_decode_step: state must be a dense tensor, got a Sparse one; pass a dense copy.",
     [](Step& s) { s.state = s.state.to_sparse(); }},
    {"norm_sparse",
     "luna_decode_step: norm must be a dense tensor, got a Sparse one; pass a dense copy.",
     [](Step& s) { s.norm = s.norm.to_sparse(); }},
    {"q_sparse", "luna_decode_step: q must be a dense tensor, got a Sparse one; pass a dense copy.",
     [](Step& s) { s.q = s.q.to_sparse(); }},
    {"param_in_state",
     "luna_decode_step: state is updated in place and must not share memory with proj_weight; pass "
     "a tensor of its own.",
     [](Step& s) {
       s.params.proj_weight = s.state.flatten().narrow(0, 7, 96).view({6, 16});
     }},
    {"norm_in_state",
     "luna_decode_step: state is updated in place and must not share memory with norm; pass a "
     "tensor of its own.",
     [](Step& s) {
       s.norm = s.state.flatten().narrow(0, 5, 96).view({2, 2, 24});
     }},
    {"norm_in_state_strided",
     "luna_decode_step: state is updated in place and must not share memory with norm; pass a "
     "tensor of its own.",
     [](Step& s) {
       s.norm = s.state.as_strided({2, 2, 24}, {576, 288, 1}, 3);
     }},
    {"v_in_norm",
     "luna_decode_step: norm is updated in place and must not share memory with v; pass a tensor "
     "of its own.",
     [](Step& s) {
       s.v = s.norm.flatten().narrow(0, 0, 48).view({2, 2, 12});
     }},
    {"state_device", "luna_decode_step: state must be on q's device cpu, got meta.",
     [](Step& s) { s.state = s.state.to(at::kMeta); }},
    {"gradient",
     "luna_decode_step: k requires a gradient, which a step does not record; call it under "
     "torch.no_grad(), or pass k.detach().",
     [](Step& s) { s.k = s.k.clone().requires_grad_(true); }},
    {"params_gradient",
     "luna_decode_step: w2 requires a gradient, which a step does not record; call it under "
     "torch.no_grad(), or pass w2.detach().",
     [](Step& s) { s.params.w2.requires_grad_(true); }},
};

const std::vector<StepRefusal> kOptions{
    {"ch_rms",
     "luna_decode_step: causal with ch_rms_target > 0 is refused: the RMS over all tokens would "
     "show a token the future; set ch_rms_target=0.",
     [](Step& s) { s.options.ch_rms_target = 0.1; }},
    {"key_mask", "luna_decode_step: key_mask is refused: a step takes in every token it is given.",
     [](Step& s) {
       s.options.key_mask = at::ones({2, 1}, at::kBool);
     }},
    {"cu_seqlens",
     "luna_decode_step: cu_seqlens is refused: a step takes one token of each of B sequences.",
     [](Step& s) {
       s.options.cu_seqlens = at::tensor({0, 1}, at::kInt);
     }},
    {"feature_map",
     "fixed_decode_step: feature map \"performer\" takes 1 parameters (W [m, d]), got 0.",
     [](Step& s) { s.feature_map = "performer"; }},
    {"dtype",
     "luna_decode_step: dtype Double is not built on cpu, only Float, BFloat16 and Half; cast the "
     "inputs, or use luna::reference_attention.",
     [](Step& s) {
       for (at::Tensor* x : {&s.q, &s.k, &s.v, &s.params.proj_weight, &s.params.proj_bias,
                             &s.params.w1, &s.params.b1, &s.params.w2, &s.params.b2}) {
         *x = x->to(at::kDouble);
       }
     }},
    {"cosformer",
     "fixed_decode_step: causal with feature_map \"cosformer\" is refused: its angles would change "
     "with every later token; name the largest length, as in \"cosformer:4096\".",
     [](Step& s) { s.feature_map = "cosformer"; }},
    {"no_positions",
     "fixed_decode_step: feature map \"cosformer:9\" reads where a token stands; pass positions, "
     "int64 [B].",
     [](Step& s) { s.feature_map = "cosformer:9"; }},
    {"positions_dtype", "fixed_decode_step: positions must be int64, got Int.",
     [](Step& s) {
       s.feature_map = "cosformer:9";
       s.positions = at::zeros({2}, at::kInt);
     }},
    {"positions_sparse",
     "fixed_decode_step: positions must be a dense tensor, got a Sparse one; pass a dense copy.",
     [](Step& s) {
       s.feature_map = "cosformer:9";
       s.positions = at::zeros({2}, at::kLong).to_sparse();
     }},
    {"positions_shape", "fixed_decode_step: positions must be [B] = [2], got [3].",
     [](Step& s) {
       s.feature_map = "elu";
       s.positions = at::zeros({3}, at::kLong);
     }},
    {"positions",
     "fixed_decode_step: positions must be from 0 to 8 for feature map \"cosformer:9\", got 3 to "
     "9.",
     [](Step& s) {
       s.feature_map = "cosformer:9";
       s.state = at::zeros({2, 2, 32, 12});
       s.norm = at::zeros({2, 2, 32});
       s.positions = at::tensor({3, 9}, at::kLong);
     }},
};

std::string step_name(const ::testing::TestParamInfo<StepRefusal>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Tensors, StepRefused, ::testing::ValuesIn(kTensors), step_name);
INSTANTIATE_TEST_SUITE_P(Options, StepRefused, ::testing::ValuesIn(kOptions), step_name);

TEST(StepRefused, NamesTheStepOfKnotsThatDoNotRise) {
  const Case c = small_case("luna-spline");
  const ops::Inputs in = make_inputs(c);
  std::vector<at::Tensor> params = in.params;
  params[2] = at::tensor({0.0f, 2.0f, 1.0f});
  params[3] = at::ones({4, 3});
  const int64_t D = params[0].size(0) * 4;
  at::Tensor state = at::zeros({2, 2, D, 12}), norm = at::zeros({2, 2, D});
  EXPECT_EQ(torch_error_of([&] {
              fixed_decode_step(in.q.select(2, 0), in.k.select(2, 0), in.v.select(2, 0), state,
                                norm, "luna-spline", params);
            }),
            "fixed_decode_step: luna-spline's knots must rise strictly, got 1 behind 2.");
}

TEST(Prefill, NeedsAsManyQueriesAsKeys) {
  const Case c = small_case();
  const ops::Inputs in = make_inputs(c);
  EXPECT_EQ(torch_error_of([&] { luna_prefill(in.q, in.k, in.v, luna_params(in)); }),
            "luna_prefill: causal needs as many queries as keys, got Nq = 9 and N = 37.");
}

}  // namespace
}  // namespace luna::test
