// Dispatch of kernels.h by device.
#include "runtime/kernels/kernels.h"

#include <limits>

#include "runtime/kernels/cpu/passes.h"
#include "runtime/kernels/cuda/passes.h"
#include "runtime/kernels/cuda/row_passes.h"

namespace luna::kernels {
namespace {

bool on_cuda(const at::Tensor& x) {
  TORCH_CHECK_NOT_IMPLEMENTED(x.is_cpu() || x.is_cuda(), "luna: tensors on ", x.device(),
                              " are not supported; move them to the CPU or a CUDA device");
  return x.is_cuda();
}

/// The largest t over features and tokens of nonzero weight, [B, heads]; -inf where there is none.
at::Tensor key_maximum(const at::Tensor& x, const MapArgs& map, const at::Tensor& weight) {
  return on_cuda(x) ? cuda::key_maximum(cuda::kDevice, x, map, weight)
                    : cpu::key_maximum(x, map, weight);
}

/// M of the keys, [B, Hk]; 0 where none is kept.
at::Tensor key_stabiliser(const Problem& p) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const at::Tensor& k = p.k;
  if (k.numel() == 0) return at::zeros({k.size(0), k.size(1)}, k.options().dtype(at::kFloat));
  at::Tensor largest;
  if (p.k_map.stabilised_by == Stabiliser::projection) {
    largest = key_maximum(k, p.k_map, p.k_weight);
  } else {
    at::Tensor squares = k.to(at::kFloat).square().sum(-1).mul_(p.k_map.stabiliser_scale);
    if (p.k_weight.defined()) squares.masked_fill_(p.k_weight == 0, -kInfinity);
    largest = squares.amax(2);
  }
  return largest.masked_fill_(largest == -kInfinity, 0.0);
}

Problem stabilised(const Problem& problem) {
  Problem result = problem;
  result.k_map.stabiliser = key_stabiliser(problem);
  return result;
}

}  // namespace

bool is_same(const MapArgs& a, const MapArgs& b) {
  const auto same = [&](at::Tensor MapArgs::*x) { return (a.*x).is_same(b.*x); };
  return a.map == b.map && a.L == b.L && a.blocks == b.blocks &&
         a.block_features == b.block_features && a.floor == b.floor &&
         a.feature_eps == b.feature_eps && same(&MapArgs::proj) && same(&MapArgs::bias) &&
         same(&MapArgs::coordinates) && same(&MapArgs::token_values) && same(&MapArgs::knots) &&
         same(&MapArgs::table) && same(&MapArgs::w1) && same(&MapArgs::b1) && same(&MapArgs::w2) &&
         same(&MapArgs::b2);
}

Forward forward(const Problem& problem) {
  const bool there = on_cuda(problem.q);
  const bool found_on_the_way = !there && cpu::finds_stabiliser(problem);
  if (lacks_stabiliser(problem) && !found_on_the_way) return forward(stabilised(problem));
  Forward result = there ? cuda::forward(cuda::kDevice, problem) : cpu::forward(problem);
  if (!result.M.defined()) {
    const at::Tensor& given = problem.k_map.stabiliser;
    result.M = given.defined() ? given : at::empty({0}, result.z.options());
  }
  return result;
}

Backward backward(const Problem& problem, const Forward& saved, const at::Tensor& grad,
                  const Wanted& wanted) {
  if (lacks_stabiliser(problem)) {
    Problem known = problem;
    known.k_map.stabiliser = saved.M;
    return backward(known, saved, grad, wanted);
  }
  return on_cuda(problem.q) ? cuda::backward(cuda::kDevice, problem, saved, grad, wanted)
                            : cpu::backward(problem, saved, grad, wanted);
}

void decode_step(const Problem& problem, const at::Tensor& state, const at::Tensor& norm,
                 const at::Tensor& out) {
  on_cuda(problem.q) ? cuda::row_decode_step(cuda::kDevice, problem, state, norm, out)
                     : cpu::decode_step(problem, state, norm, out);
}

at::Tensor power_sum(const at::Tensor& x, const MapArgs& map) {
  return on_cuda(x) ? cuda::power_sum(cuda::kDevice, x, map) : cpu::power_sum(x, map);
}

std::pair<at::Tensor, MapGrads> power_grad(const at::Tensor& x, const MapArgs& map,
                                           const at::Tensor& coefficient) {
  return on_cuda(x) ? cuda::power_grad(cuda::kDevice, x, map, coefficient)
                    : cpu::power_grad(x, map, coefficient);
}

}  // namespace luna::kernels
