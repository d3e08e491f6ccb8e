#include "experiments/bench/operators.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "experiments/bench/eager.h"
#include "experiments/bench/sdpa.h"
#include "experiments/bench/work.h"
#include "runtime/luna.h"
#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/reference.h"

namespace luna::bench {
namespace {

constexpr int64_t kRandomFeatures = 128;  // as many features as LUNA at m 16, L 8

at::Tensor normal(at::IntArrayRef shape, at::Generator generator) {
  return at::randn(shape, generator, at::TensorOptions().dtype(at::kFloat));
}

/// W ~ N(0, 1)/sqrt(d), b = 0 (the paper's Listing 1); psi as torch.nn.Linear begins: U(-r, r) with
/// r = 1/sqrt(inputs).
std::vector<at::Tensor> luna_params(const Size& size, at::Generator generator) {
  const double r2 = 1.0 / std::sqrt(static_cast<double>(size.hid));
  auto uniform = [&](at::IntArrayRef shape, double r) {
    return at::empty(shape, at::kFloat).uniform_(-r, r, generator);
  };
  std::vector<at::Tensor> params = {
      normal({size.m, size.d}, generator).div_(std::sqrt(static_cast<double>(size.d))),
      at::zeros({size.m}),
      uniform({size.hid}, 1),
      uniform({size.hid}, 1),
      uniform({size.L, size.hid}, r2),
      uniform({size.L}, r2)};
  for (const at::Tensor& param : params) param.set_requires_grad(true);
  return params;
}

/// A fixed map's, as training begins with them: kRandomFeatures random rows, LUNA's m where
/// projections have channels, d rows of what is learned.
std::vector<at::Tensor> fixed_params(const std::string& name, const Size& size,
                                     const at::Generator& generator) {
  const ops::NamedMap map = ops::find_fixed_map(name);
  const std::vector<ops::MapParam> rows = map.params();
  const bool drawn = std::any_of(rows.begin(), rows.end(), [](const ops::MapParam& row) {
    return row.kind == ops::ParamKind::drawn;
  });
  const int64_t m = ops::has_channels(map) ? size.m : drawn ? kRandomFeatures : size.d;
  std::vector<at::Tensor> params = draw_feature_map(name, m, size.d, generator);
  for (size_t i = 0; i < params.size(); ++i) {
    params[i].set_requires_grad(rows[i].kind == ops::ParamKind::trained);
  }
  return params;
}

at::Tensor by_formula(const std::string& map, const Inputs& in) {
  ops::Spec spec;
  spec.feature_map = map;
  spec.causal = in.causal;
  return ops::reference_attention({in.q, in.k, in.v, in.params, {}}, spec);
}

at::Tensor fused_luna(const Inputs& in) {
  const auto& p = in.params;
  LunaOptions options;
  options.causal = in.causal;
  return luna_attention(in.q, in.k, in.v, {p[0], p[1], p[2], p[3], p[4], p[5]}, options);
}

at::Tensor fused_fixed(const std::string& map, const Inputs& in) {
  AttentionOptions options;
  options.causal = in.causal;
  return fixed_attention(in.q, in.k, in.v, map, in.params, options);
}

/// x [B, H, 1, d] as a step takes it.
at::Tensor token(const at::Tensor& x) { return x.squeeze(2); }

at::Tensor luna_step(const Inputs& in) {
  const auto& p = in.params;
  return luna_decode_step(token(in.q), token(in.k), token(in.v), in.state, in.norm,
                          {p[0], p[1], p[2], p[3], p[4], p[5]})
      .unsqueeze(2);
}

at::Tensor elu_step(const Inputs& in) {
  return fixed_decode_step(token(in.q), token(in.k), token(in.v), in.state, in.norm, "elu", {})
      .unsqueeze(2);
}

at::Tensor step_by_formula(const std::string& map, const Inputs& in) {
  ops::Spec spec;
  spec.feature_map = map;
  ops::DecodeState state{in.state, in.norm};
  const at::Tensor out = ops::reference_decode_step({in.q, in.k, in.v, in.params, {}}, spec, state);
  in.state.copy_(state.state);
  in.norm.copy_(state.norm);
  return out;
}

Operator step(const Operator& whole, std::function<at::Tensor(const Inputs&)> apply) {
  const std::string map = whole.map;
  return {whole.name,
          map,
          whole.kind,
          whole.label,
          whole.draw_params,
          std::move(apply),
          [map](const Inputs& in) { return step_by_formula(map, in); },
          /*decodes=*/true};
}

Operator fixed(const std::string& name, const std::string& map, OperatorKind kind,
               const std::string& label, std::function<at::Tensor(const Inputs&)> apply) {
  return {name,
          map,
          kind,
          label,
          [map](const Size& size, at::Generator generator) {
            return fixed_params(map, size, generator);
          },
          apply,
          [map](const Inputs& in) { return by_formula(map, in); }};
}

Operator fused(const std::string& map, const std::string& label) {
  return fixed(map, map, OperatorKind::kFused, label + ", fused (this library)",
               [map](const Inputs& in) { return fused_fixed(map, in); });
}

/// Features by the registry's formula, then two products: what a user writes for any map.
Operator plain(const std::string& map) {
  return fixed("plain_" + map, map, OperatorKind::kEager, map + ", plain ATen",
               [map](const Inputs& in) { return by_formula(map, in); });
}

}  // namespace

std::vector<at::Tensor> Inputs::leaves() const {
  std::vector<at::Tensor> tensors = {q, k, v};
  for (const at::Tensor& param : params) {
    if (param.requires_grad()) tensors.push_back(param);
  }
  return tensors;
}

Inputs& Inputs::want_gradients() {
  for (const at::Tensor& x : {q, k, v}) x.set_requires_grad(true);
  return *this;
}

Inputs Inputs::on(c10::Device device, at::ScalarType dtype) const {
  const auto leaf = [&](const at::Tensor& x) {
    return x.detach().to(device, dtype).set_requires_grad(x.requires_grad());
  };
  Inputs there{leaf(q), leaf(k), leaf(v), {}, causal, {}, {}};
  for (const at::Tensor& param : params) there.params.push_back(leaf(param));
  if (state.defined()) there.state = state.to(device), there.norm = norm.to(device);
  return there;
}

Inputs Inputs::copy(at::ScalarType dtype, bool gradients) const {
  auto leaf = [&](const at::Tensor& t, bool wanted) {
    return t.detach().to(dtype, /*non_blocking=*/false, /*copy=*/true).set_requires_grad(wanted);
  };
  Inputs copied{leaf(q, gradients), leaf(k, gradients), leaf(v, gradients), {}, causal, {}, {}};
  for (const at::Tensor& param : params)
    copied.params.push_back(leaf(param, gradients && param.requires_grad()));
  if (state.defined()) copied.state = leaf(state, false), copied.norm = leaf(norm, false);
  return copied;
}

const std::vector<Operator>& operators() {
  static const std::vector<Operator> all = {
      {"luna", "luna", OperatorKind::kFused, "LUNA, fused (this library)", luna_params, fused_luna,
       [](const Inputs& in) { return by_formula("luna", in); }},
      fused("elu", "elu+1"),
      fused("relu", "ReLU"),
      fused("performer", "Performer, 128 features"),
      {"listing1", "luna", OperatorKind::kEager, "LUNA, eager torch, Listing 1", luna_params,
       eager_listing1, [](const Inputs& in) { return by_formula("luna", in); }},
      sdpa_operator(),
      fixed("eager_elu", "elu", OperatorKind::kEager, "elu+1, eager torch", eager_elu),
  };
  return all;
}

const std::vector<Operator>& all_operators(c10::DeviceType device) {
  const auto make = [](c10::DeviceType type) {
    std::vector<Operator> list;
    std::set<std::string> there = {"sdpa"};  // by its kernels below
    for (const Operator& op : operators()) {
      if (there.insert(op.name).second) list.push_back(op);
    }
    for (const ops::FixedMap& map : ops::fixed_maps()) {
      if (there.insert(map.name).second) list.push_back(fused(map.name, map.name));
      list.push_back(plain(map.name));
    }
    for (const Operator& op : sdpa_operators(type)) list.push_back(op);
    return list;
  };
  static const std::vector<Operator> cpu = make(c10::kCPU), cuda = make(c10::kCUDA);
  return device == c10::kCPU ? cpu : cuda;
}

const std::vector<Operator>& decode_operators() {
  static const std::vector<Operator> all = [] {
    const auto of = [](const std::string& name) -> const Operator& {
      const auto found = std::find_if(operators().begin(), operators().end(),
                                      [&](const Operator& op) { return op.name == name; });
      return *found;
    };
    return std::vector<Operator>{step(of("luna"), luna_step), step(of("elu"), elu_step),
                                 step(of("listing1"), eager_listing1_step),
                                 step(of("eager_elu"), eager_elu_step)};
  }();
  return all;
}

Inputs draw_tokens(const Size& size, uint64_t seed) {
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  const auto draw = [&](int64_t heads) {
    return normal({size.B, heads, size.N, size.d}, generator);
  };
  Inputs tokens;
  tokens.q = draw(size.H);
  tokens.k = draw(size.key_heads());
  tokens.v = draw(size.key_heads());
  return tokens;
}

Inputs with_params(const Inputs& tokens, const Operator& op, const Size& size, uint64_t seed) {
  Inputs in = tokens;
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  in.params = op.draw_params(size, generator);
  if (op.decodes) {
    const int64_t Hk = size.key_heads();
    in.norm = normal({size.B, Hk, features_of(op, in)}, generator).abs();
    in.state = in.norm.unsqueeze(-1) * normal({size.B, Hk, 1, size.d}, generator);
  }
  return in;
}

at::Tensor usual_tokens(const std::string& map, const at::Tensor& x) {
  const std::string name = map.substr(0, map.find(':'));
  if (name == "identity") return x.abs();
  if (name == "rff") return x * (0.3 * std::pow(static_cast<double>(x.size(-1)), -0.25));
  return name == "rfa" ? x * 0.3 + 1.0 : x;
}

Inputs draw_inputs(const Operator& op, const Size& size, uint64_t seed) {
  Inputs tokens = draw_tokens(size, seed);
  for (at::Tensor* x : {&tokens.q, &tokens.k}) *x = usual_tokens(op.name, *x);
  return with_params(tokens, op, size, seed + 1);
}

std::function<void()> pass_task(const Operator& op, const Inputs& leaves,
                                const at::Tensor& upstream, Pass pass) {
  if (pass != Pass::kForwardBackward) {
    return [&op, leaves] {
      const at::NoGradGuard no_grad;
      op.apply(leaves);
    };
  }
  return [&op, leaves, upstream] {
    torch::autograd::grad({op.apply(leaves)}, leaves.leaves(), {upstream});
  };
}

}  // namespace luna::bench
