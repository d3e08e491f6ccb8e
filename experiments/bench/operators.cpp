#include "experiments/bench/operators.h"

#include <cmath>

#include "experiments/bench/eager.h"
#include "runtime/luna.h"
#include "runtime/ops/reference.h"

namespace luna::bench {
namespace {

constexpr int64_t kPerformerFeatures = 128;  // as many features as LUNA at m 16, L 8

std::vector<at::Tensor> no_params(const Size&, at::Generator) { return {}; }

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
  return {normal({size.m, size.d}, generator).div_(std::sqrt(static_cast<double>(size.d))),
          at::zeros({size.m}),
          uniform({size.hid}, 1),
          uniform({size.hid}, 1),
          uniform({size.L, size.hid}, r2),
          uniform({size.L}, r2)};
}

std::vector<at::Tensor> performer_params(const Size& size, at::Generator generator) {
  return {performer_projection(kPerformerFeatures, size.d, generator)};
}

at::Tensor by_formula(const std::string& map, const Inputs& in) {
  ops::Spec spec;
  spec.feature_map = map;
  return ops::reference_attention({in.q, in.k, in.v, in.params, {}}, spec);
}

at::Tensor fused_luna(const Inputs& in) {
  const auto& p = in.params;
  return luna_attention(in.q, in.k, in.v, {p[0], p[1], p[2], p[3], p[4], p[5]});
}

Operator fused_fixed(const std::string& map, const std::string& label) {
  return {map,
          label,
          false,
          map == "performer" ? performer_params : no_params,
          [map](const Inputs& in) { return fixed_attention(in.q, in.k, in.v, map, in.params); },
          [map](const Inputs& in) { return by_formula(map, in); }};
}

at::Tensor softmax_by_formula(const Inputs& in) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(in.q.size(-1)));
  return (in.q.matmul(in.k.transpose(-1, -2)) * scale).softmax(-1).matmul(in.v);
}

}  // namespace

std::vector<at::Tensor> Inputs::leaves() const {
  std::vector<at::Tensor> tensors = {q, k, v};
  if (learned) tensors.insert(tensors.end(), params.begin(), params.end());
  return tensors;
}

Inputs Inputs::copy(at::ScalarType dtype, bool gradients) const {
  auto leaf = [&](const at::Tensor& t, bool wanted) {
    return t.detach().to(dtype, /*non_blocking=*/false, /*copy=*/true).set_requires_grad(wanted);
  };
  Inputs copied{leaf(q, gradients), leaf(k, gradients), leaf(v, gradients), {}, learned};
  for (const at::Tensor& param : params) copied.params.push_back(leaf(param, gradients && learned));
  return copied;
}

const std::vector<Operator>& operators() {
  static const std::vector<Operator> all = {
      {"luna", "LUNA, fused (this library)", true, luna_params, fused_luna,
       [](const Inputs& in) { return by_formula("luna", in); }},
      fused_fixed("elu", "elu+1, fused (this library)"),
      fused_fixed("relu", "ReLU, fused (this library)"),
      fused_fixed("performer", "Performer, 128 features, fused (this library)"),
      {"listing1", "LUNA, eager torch, Listing 1", true, luna_params, eager_listing1,
       [](const Inputs& in) { return by_formula("luna", in); }},
      {"sdpa", "softmax, torch SDPA", false, no_params,
       [](const Inputs& in) { return at::scaled_dot_product_attention(in.q, in.k, in.v); },
       softmax_by_formula},
      {"eager_elu", "elu+1, eager torch", false, no_params, eager_elu,
       [](const Inputs& in) { return by_formula("elu", in); }},
  };
  return all;
}

Inputs draw_inputs(const Operator& op, const Size& size, uint64_t seed) {
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  const std::vector<int64_t> shape = {size.B, size.H, size.N, size.d};
  Inputs in{
      normal(shape, generator), normal(shape, generator), normal(shape, generator), {}, op.learned};
  in.params = op.draw_params(size, generator);
  return in;
}

}  // namespace luna::bench
