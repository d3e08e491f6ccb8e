#include "experiments/bench/work.h"

#include <stdexcept>

#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/internal.h"

namespace luna::bench {
namespace {

constexpr double kFloat = 4;  // bytes
constexpr double kForwardTensors = 4, kBackwardTensors = 8;

/// Operations and floats a token-head, forward and what backward adds.
struct PerToken {
  double forward_flops, backward_flops, forward_floats, backward_floats;
};

Work total(const Size& size, const PerToken& token, Pass pass) {
  const bool training = pass == Pass::kForwardBackward;
  const auto tokens = static_cast<double>(size.B * size.H * size.N);
  return {tokens * (token.forward_flops + (training ? token.backward_flops : 0)),
          tokens * kFloat * (token.forward_floats + (training ? token.backward_floats : 0))};
}

/// Of the map on both sides; the backward half as a fused operator does it, without floats.
PerToken map_work(const Size& size, double D, MapWork map) {
  const auto d = static_cast<double>(size.d), m = static_cast<double>(size.m);
  const auto L = static_cast<double>(size.L), hid = static_cast<double>(size.hid);
  switch (map) {
    case MapWork::kPiecewiseLinear:
      return {4 * d * m + 4 * m * L, 12 * d * m + 14 * m * L, 0, 0};
    case MapWork::kDensePsi:
      return {4 * d * m + 4 * m * hid * (1 + L), 8 * d * m + 2 * m * hid * (5 + 4 * L), 0, 0};
    case MapWork::kCoordinate:
      return {2 * D, 4 * D, 0, 0};
    case MapWork::kProjection:
      return {4 * d * D + 2 * D, 8 * d * D + 4 * D, 0, 0};
    case MapWork::kProjectedPairs:
      return {2 * d * D + 2 * D, 4 * d * D + 4 * D, 0, 0};
    case MapWork::kTrainedProjection:
      return {4 * d * D + 2 * D, 12 * d * D + 4 * D, 0, 0};
    case MapWork::kTrainedPairs:
      return {2 * d * D + 2 * D, 6 * d * D + 4 * D, 0, 0};
  }
  throw std::logic_error("a map without a model of its work");
}

MapWork map_of(const Operator& op, const Inputs& in) {
  const ops::NamedMap map = ops::find_fixed_map(op.map);
  if (op.map == "luna" || (map && map->table)) {
    return op.kind == OperatorKind::kFused ? MapWork::kPiecewiseLinear : MapWork::kDensePsi;
  }
  if (in.params.empty() || in.params[0].dim() < 2) return MapWork::kCoordinate;
  const bool trained = in.params[0].requires_grad();
  if (features_of(op, in) == 2 * in.params[0].size(-2)) {
    return trained ? MapWork::kTrainedPairs : MapWork::kProjectedPairs;
  }
  return trained ? MapWork::kTrainedProjection : MapWork::kProjection;
}

}  // namespace

const char* name_of(Pass pass) {
  if (pass == Pass::kDecode) return "decode";
  return pass == Pass::kForward ? "forward" : "forward_backward";
}

Work decode_work(const Size& size, double features, MapWork map, double element_bytes) {
  const auto d = static_cast<double>(size.d);
  PerToken token = map_work(size, features, map);
  token.forward_flops += 4 * features * d + 4 * features + d;
  token.forward_floats = kForwardTensors * d * element_bytes / kFloat + 2 * features * (d + 1);
  return total(size, token, Pass::kForward);
}

Work fused_work(const Size& size, double features, MapWork map, Pass pass) {
  const auto d = static_cast<double>(size.d);
  PerToken token = map_work(size, features, map);
  token.forward_flops += 4 * features * d + 3 * features + d;
  token.backward_flops += 8 * features * d;
  token.forward_floats = kForwardTensors * d;
  token.backward_floats = kBackwardTensors * d;
  return total(size, token, pass);
}

Work eager_work(const Size& size, double features, MapWork map, Pass pass, bool causal) {
  const auto d = static_cast<double>(size.d), N = static_cast<double>(size.N);
  PerToken token = map_work(size, features, map);
  if (map != MapWork::kDensePsi) token.backward_flops -= token.forward_flops;
  const double products = causal ? 2 * N * (features + d) : 4 * features * d;
  token.forward_flops += products + 3 * features + d;
  token.backward_flops += 2 * products;
  token.forward_floats = kForwardTensors * d + 4 * features + (causal ? 2 * N : 0);
  token.backward_floats = kBackwardTensors * d + 8 * features + (causal ? 4 * N : 0);
  return total(size, token, pass);
}

Work flash_work(const Size& size, Pass pass, bool causal) {
  const auto d = static_cast<double>(size.d);
  const double seen = static_cast<double>(size.N) * (causal ? 0.5 : 1);
  return total(size, {4 * seen * d, 10 * seen * d, kForwardTensors * d, kBackwardTensors * d},
               pass);
}

Work scores_work(const Size& size, Pass pass) {
  const auto d = static_cast<double>(size.d), N = static_cast<double>(size.N);
  return total(size,
               {4 * N * d, 8 * N * d, kForwardTensors * d + 4 * N, kBackwardTensors * d + 8 * N},
               pass);
}

int64_t features_of(const Operator& op, const Inputs& in) {
  if (op.map == "softmax") return 0;
  ops::Spec spec;
  spec.feature_map = op.map;
  return ops::feature_count({in.q, in.k, in.v, in.params, {}}, spec).expect_int();
}

namespace {

/// In float32.
Work float_work(const Operator& op, const Size& size, double features, const Inputs& in,
                Pass pass) {
  switch (op.kind) {
    case OperatorKind::kFused:
      return fused_work(size, features, map_of(op, in), pass);
    case OperatorKind::kEager:
      return eager_work(size, features, map_of(op, in), pass, in.causal);
    case OperatorKind::kFlash:
      return flash_work(size, pass, in.causal);
    case OperatorKind::kScores:
      return scores_work(size, pass);
  }
  throw std::logic_error("an operator without a model of its work");
}

}  // namespace

Work work_of(const Operator& op, const Size& size, const Inputs& in, Pass pass) {
  const auto features = static_cast<double>(features_of(op, in));
  const auto element_bytes = static_cast<double>(in.q.element_size());
  if (pass == Pass::kDecode) return decode_work(size, features, map_of(op, in), element_bytes);
  Work work = float_work(op, size, features, in, pass);
  work.bytes *= element_bytes / kFloat;
  return work;
}

}  // namespace luna::bench
