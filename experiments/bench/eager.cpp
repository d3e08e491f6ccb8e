#include "experiments/bench/eager.h"

#include <cmath>

namespace luna::bench {
namespace {

constexpr int64_t kChunk = 1000000;  // scalars a call of the MLP, Listing 1's default
constexpr double kEps = 1e-6;

at::Tensor scalar_mlp(const at::Tensor& u, const std::vector<at::Tensor>& params) {
  const at::Tensor w1 = params[2].unsqueeze(-1);  // [hid, 1]
  std::vector<at::Tensor> parts;
  for (const at::Tensor& part : u.reshape({-1, 1}).split(kChunk)) {
    parts.push_back(at::linear(at::linear(part, w1, params[3]).relu(), params[4], params[5]));
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

/// x [B, H, N, d] -> [B, H, N, m L], projection major.
at::Tensor listing1_features(const at::Tensor& x, const std::vector<at::Tensor>& params) {
  const int64_t m = params[0].size(0), channels = params[4].size(0);
  const at::Tensor u = at::linear(x, params[0], params[1]);  // [B, H, N, m]
  const at::Tensor psi = scalar_mlp(u, params).relu();       // [B H N m, L]
  const at::Tensor phi = psi.reshape({x.size(0), x.size(1), x.size(2), m * channels});
  return phi / std::sqrt(static_cast<double>(m));
}

/// phi(q) (phi(k)^T v) / (phi(q) sum phi(k) + eps); causal by its definition, N x N scores.
at::Tensor normalized(const at::Tensor& phi_q, const at::Tensor& phi_k, const at::Tensor& v,
                      bool causal) {
  if (causal) {
    const at::Tensor score = at::matmul(phi_q, phi_k.transpose(-1, -2)).tril();
    return at::matmul(score, v) / (score.sum(-1, true) + kEps);
  }
  const at::Tensor state = at::einsum("bhnf,bhne->bhfe", {phi_k, v});
  const at::Tensor numerator = at::einsum("bhnf,bhfe->bhne", {phi_q, state});
  const at::Tensor denominator = at::einsum("bhnf,bhf->bhn", {phi_q, phi_k.sum(-2)});
  return numerator / (denominator + kEps).unsqueeze(-1);
}

/// phi [B, H, 1, D] of one token. Sums are kept and taken in the state's dtype.
at::Tensor stepped(const at::Tensor& phi_q, const at::Tensor& phi_k, const Inputs& in) {
  const auto heads = [&](const at::Tensor& x) {
    return x.flatten(0, 1).to(in.state.scalar_type());
  };
  at::Tensor state = heads(in.state);
  state.baddbmm_(heads(phi_k).transpose(1, 2), heads(in.v));
  in.norm.add_(phi_k.squeeze(2));
  const at::Tensor query = heads(phi_q);  // [B H, 1, D]
  const at::Tensor denominator = query.bmm(in.norm.flatten(0, 1).unsqueeze(-1));
  return (query.bmm(state) / (denominator + kEps)).view_as(in.v).to(in.v.scalar_type());
}

}  // namespace

at::Tensor eager_listing1(const Inputs& in) {
  return normalized(listing1_features(in.q, in.params), listing1_features(in.k, in.params), in.v,
                    in.causal);
}

at::Tensor eager_listing1_step(const Inputs& in) {
  return stepped(listing1_features(in.q, in.params), listing1_features(in.k, in.params), in);
}

at::Tensor eager_elu_step(const Inputs& in) {
  return stepped(at::elu(in.q) + 1, at::elu(in.k) + 1, in);
}

at::Tensor eager_elu(const Inputs& in) {
  return normalized(at::elu(in.q) + 1, at::elu(in.k) + 1, in.v, in.causal);
}

}  // namespace luna::bench
