// cosFormer: ReLU features that fade with the distance of two tokens,
// phi(q_i) phi(k_j) = relu(q_i) relu(k_j) cos(theta_i - theta_j).
#include "runtime/ops/maps/maps.h"
#include "runtime/ops/packed.h"

namespace luna::ops {
namespace {

constexpr double kQuarterTurn = 1.57079632679489661923;

/// theta_i = pi/2 i / length, i from 1, float64 [tokens, 1] (of positions: [B, 1]); length: the
/// option, else the longer side's. NaN for a position beyond it.
at::Tensor angles(int64_t tokens, const MapContext& context, c10::Device device) {
  const int64_t length = context.option > 0 ? context.option : context.length;
  at::Tensor before = context.positions ? context.positions->to(at::kDouble)
                                        : at::arange(context.position, context.position + tokens,
                                                     at::TensorOptions(device).dtype(at::kDouble));
  if (context.positions) {
    before = before.masked_fill((before < 0).logical_or_(before >= length),
                                std::numeric_limits<double>::quiet_NaN());
  }
  return ((before + 1) * (kQuarterTurn / static_cast<double>(length))).unsqueeze(-1);
}

at::Tensor cosformer(const at::Tensor& x, const MapContext& context) {
  const at::Tensor theta = angles(x.size(2), context, x.device());
  const at::Tensor y = x.relu();
  return at::cat({y * theta.sin().to(x.scalar_type()), y * theta.cos().to(x.scalar_type())}, -1);
}

std::string cosformer_refusal(const Inputs& in, const Spec& spec, int64_t option) {
  if (option == 0) {
    return spec.causal
               ? "causal with feature_map \"cosformer\" is refused: its angles would change with "
                 "every later token; name the largest length, as in \"cosformer:4096\""
               : "";
  }
  const c10::SymInt tokens = longest(in);
  if (tokens <= option) return "";
  return c10::str("feature_map \"", spec.feature_map, "\" takes at most ", option, " tokens, got ",
                  tokens, "; name a larger length");
}

}  // namespace

FixedMap cosformer_map() {
  FixedMap map{
      "cosformer",
      "phi(x_i) = [relu(x_i) sin(theta_i), relu(x_i) cos(theta_i)], theta_i = pi/2 i/M for "
      "token i = 1, 2, ...; M = max_length, or max(Nq, N) where it is not named (not "
      "causal)",
      "cosFormer, Qin 2022", "2d",
      [](const c10::SymInt& d, const c10::SymInt&, int64_t) { return 2 * d; }};
  map.option.number = "max_length";
  map.option.example = 4096;
  map.map = cosformer;
  map.fold = [](int64_t d, const MapContext& context) {
    kernels::MapArgs args;
    args.map = "cosformer";
    args.blocks = 2;
    args.block_features = d;
    const at::Tensor theta = angles(context.tokens, context, context.device);
    args.token_values = at::cat({theta.sin(), theta.cos()}, 1).to(at::kFloat);
    return args;
  };
  map.refusal = cosformer_refusal;
  map.positional = true;
  return map;
}

}  // namespace luna::ops
