// LUNA's map with another psi: phi(x) = [max(psi_l(w_i x + b_i), 0)] / sqrt(m), psi a deeper ReLU
// network or linear splines. Both are tables of segments (runtime/psi): LUNA's kernels run them.
#include <cmath>

#include "runtime/ops/maps/maps.h"
#include "runtime/ops/packed.h"
#include "runtime/psi/device_network.h"
#include "runtime/psi/network.h"
#include "runtime/psi/spline.h"

namespace luna::ops {
namespace {

enum PsiParam : size_t { kWeight, kBias, kPsi };  // what psi has begins at kPsi
constexpr size_t kKnots = kPsi, kValues = kPsi + 1;

constexpr int64_t kMostLayers = 9;  // one digit each in the shapes

/// What a model starts with: as many channels and hidden units as LUNA.
constexpr int64_t kChannels = 8, kHidden = 64;
/// Of a spline: knots from -kReach to kReach.
constexpr int64_t kKnotCount = 33;
constexpr double kReach = 4.0;

const std::vector<MapParam> kProjection = {{"proj_weight", "md", ParamKind::trained},
                                           {"proj_bias", "m", ParamKind::trained}};

std::vector<MapParam> deep_params(int64_t layers) {
  static constexpr const char* kWeights[] = {"W_1", "W_2", "W_3", "W_4", "W_5",
                                             "W_6", "W_7", "W_8", "W_9"};
  static constexpr const char* kBiases[] = {"b_1", "b_2", "b_3", "b_4", "b_5",
                                            "b_6", "b_7", "b_8", "b_9"};
  static constexpr const char* kWeightShapes[] = {"1",  "21", "32", "43", "54",
                                                  "65", "76", "87", "98"};
  static constexpr const char* kBiasShapes[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9"};
  static constexpr const char* kLastShapes[] = {"L1", "L2", "L3", "L4", "L5",
                                                "L6", "L7", "L8", "L9"};
  std::vector<MapParam> params = kProjection;
  for (int64_t i = 0; i < layers; ++i) {
    params.push_back({kWeights[i], kWeightShapes[i], ParamKind::trained});
    params.push_back({kBiases[i], kBiasShapes[i], ParamKind::trained});
  }
  params.push_back({"W_out", kLastShapes[layers - 1], ParamKind::trained});
  params.push_back({"b_out", "L", ParamKind::trained});
  return params;
}

std::vector<MapParam> spline_params(int64_t) {
  std::vector<MapParam> params = kProjection;
  params.push_back({"knots", "K", ParamKind::given});
  params.push_back({"values", "LK", ParamKind::trained});
  return params;
}

at::Tensor arguments(const at::Tensor& x, const MapContext& context) {
  return at::matmul(x, context.params[kWeight].t()) + context.params[kBias];
}

double root_m(const MapContext& context) {
  return std::sqrt(static_cast<double>(context.params[kWeight].size(0)));
}

/// From psi [..., m, L].
at::Tensor features(const at::Tensor& psi, const MapContext& context) {
  return psi.relu().flatten(3) / root_m(context);
}

at::Tensor deep(const at::Tensor& x, const MapContext& context) {
  const at::TensorList params = at::TensorList(context.params).slice(kPsi);
  at::Tensor h = arguments(x, context).unsqueeze(-1) * params[0] + params[1];
  for (size_t i = 2; i < params.size(); i += 2) {
    h = at::matmul(h.relu(), params[i].t()) + params[i + 1];
  }
  return features(h, context);
}

/// psi_l(t) = v_l0 + sum_k (v_l,k+1 - v_lk) r_k(t), where r_k rises from 0 to 1 between knots k and
/// k + 1, the first without a lower bound and the last without an upper one.
at::Tensor spline(const at::Tensor& x, const MapContext& context) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const at::Tensor &knots = context.params[kKnots], &values = context.params[kValues];
  if (readable(knots) && knots.is_cpu()) psi::check_knots("reference_attention", knots);
  const at::Tensor begin = knots.slice(0, 0, -1);
  at::Tensor low = at::zeros_like(begin), high = at::ones_like(begin);
  low[0] = -kInfinity;
  high[-1] = kInfinity;
  const at::Tensor rise =
      ((arguments(x, context).unsqueeze(-1) - begin) / knots.diff()).clamp(low, high);
  return features(at::matmul(rise, values.diff().t()) + values.select(1, 0), context);
}

at::Tensor scale(const MapContext& context) {
  const auto options = context.params[kWeight].options().dtype(at::kDouble);
  return at::full({context.table->L()}, 1.0 / root_m(context), options);
}

kernels::MapArgs fold(int64_t, const MapContext& context) {
  kernels::MapArgs args;
  args.proj = context.params[kWeight].contiguous();
  args.bias = context.params[kBias].contiguous();
  context.table->fold({scale(context), 0.0, 0.0f}, args);
  return args;
}

std::vector<at::Tensor> unfold(const kernels::MapGrads& grads, const MapContext& context) {
  std::vector<at::Tensor> out{grads.proj, grads.bias};
  for (at::Tensor& own : context.table->gradients({{scale(context), grads}})) out.push_back(own);
  return out;
}

std::string spline_refusal(const Inputs& in, const Spec&, int64_t) {
  constexpr int64_t kMost = kernels::kMaxKnots + 2;  // the outer two begin no segment
  const c10::SymInt K = in.params[kKnots].sym_size(0);
  if (K >= 2 && K <= kMost) return "";
  return c10::str("luna-spline takes from 2 to ", kMost, " knots, got ", K);
}

using Generator = std::optional<at::Generator>;

/// As Listing 1's: W ~ N(0, 1)/sqrt(d), b = 0.
std::vector<at::Tensor> draw_projection(int64_t m, int64_t d, const Generator& generator) {
  const auto options = at::TensorOptions().dtype(at::kFloat);
  const at::Tensor w = at::randn({m, d}, generator, options);
  return {w / std::sqrt(static_cast<double>(d)), at::zeros({m}, options)};
}

/// As torch's Linear begins: U(-r, r), r = 1/sqrt(inputs), weight and bias.
void push_linear(at::IntArrayRef shape, int64_t inputs, const Generator& generator,
                 std::vector<at::Tensor>& out) {
  const double r = 1.0 / std::sqrt(static_cast<double>(inputs));
  out.push_back(at::empty(shape, at::kFloat).uniform_(-r, r, generator));
  out.push_back(at::empty(shape.slice(0, 1), at::kFloat).uniform_(-r, r, generator));
}

/// kHidden units in every hidden layer.
void push_network(int64_t layers, const Generator& generator, std::vector<at::Tensor>& out) {
  push_linear({kHidden}, 1, generator, out);
  for (int64_t i = 1; i < layers; ++i) {
    push_linear({kHidden, kHidden}, kHidden, generator, out);
  }
  push_linear({kChannels, kHidden}, kHidden, generator, out);
}

std::vector<at::Tensor> draw_deep(int64_t m, int64_t d, int64_t layers,
                                  const Generator& generator) {
  std::vector<at::Tensor> params = draw_projection(m, d, generator);
  push_network(layers, generator, params);
  return params;
}

/// The values of the psi that LUNA begins with, at equally spaced knots.
std::vector<at::Tensor> draw_spline(int64_t m, int64_t d, int64_t, const Generator& generator) {
  std::vector<at::Tensor> params = draw_projection(m, d, generator), mlp;
  push_network(1, generator, mlp);
  const at::Tensor knots = at::linspace(-kReach, kReach, kKnotCount, at::kFloat);
  const at::Tensor hidden = (knots.unsqueeze(-1) * mlp[0] + mlp[1]).relu();
  params.push_back(knots);
  params.push_back((at::matmul(hidden, mlp[2].t()) + mlp[3]).t().contiguous());
  return params;
}

}  // namespace

FixedMap luna_deep_map() {
  FixedMap map{"luna-deep",
               "phi(x) = m^-1/2 max(psi_l(w_i x + b_i), 0), psi(t) = W_out h_n + b_out, "
               "h_i = relu(W_i h_{i-1} + b_i), h_0 = t; n = 2 layers where they are not named",
               "LUNA, 2025, with more hidden layers", "m L",
               [](const c10::SymInt&, const c10::SymInt& m, int64_t) { return m; }};
  map.option.number = "layers";
  map.option.unset = 2;
  map.option.example = 3;
  map.option.largest = kMostLayers;
  map.params = deep_params;
  map.map = deep;
  map.draw = draw_deep;
  map.fold = fold;
  map.unfold = unfold;
  map.table = [](const char* op, at::TensorList params) -> std::shared_ptr<const psi::Psi> {
    params = params.slice(kPsi);
    if (params[0].is_cuda()) return std::make_shared<psi::DeviceNetwork>(params);
    return std::make_shared<psi::Network>(op, params);
  };
  return map;
}

FixedMap luna_spline_map() {
  FixedMap map{"luna-spline",
               "phi(x) = m^-1/2 max(psi_l(w_i x + b_i), 0), psi_l the linear spline with values_lk "
               "at knot k, its outer segments prolonged",
               "LUNA, 2025, with a spline of fixed knots", "m L",
               [](const c10::SymInt&, const c10::SymInt& m, int64_t) { return m; }};
  map.params = spline_params;
  map.map = spline;
  map.draw = draw_spline;
  map.fold = fold;
  map.unfold = unfold;
  map.table = [](const char* op, at::TensorList params) -> std::shared_ptr<const psi::Psi> {
    return std::make_shared<psi::Spline>(op, params[kKnots], params[kValues]);
  };
  map.refusal = spline_refusal;
  return map;
}

}  // namespace luna::ops
