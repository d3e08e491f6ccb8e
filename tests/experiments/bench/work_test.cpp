// The model of operations and bytes behind "% of roofline".
#include "experiments/bench/work.h"

#include <gtest/gtest.h>

namespace luna::bench {
namespace {

const Size kOne{"one", 1, 1, 1, 64, 16, 8, 64};  // one token of one head: totals are its own

void expect_work(const Work& given, double flops, double bytes) {
  EXPECT_EQ(given.flops, flops);
  EXPECT_EQ(given.bytes, bytes);
}

TEST(Work, FusedLunaCountsThePiecewiseLinearPsi) {
  const double forward = 37824, backward = 79616;
  expect_work(fused_work(kOne, 128, MapWork::kPiecewiseLinear, Pass::kForward), forward, 1024);
  expect_work(fused_work(kOne, 128, MapWork::kPiecewiseLinear, Pass::kForwardBackward),
              forward + backward, 1024 + 2048);
}

TEST(Work, FusedFixedMaps) {
  expect_work(fused_work(kOne, 64, MapWork::kCoordinate, Pass::kForward),
              2 * 64 + 4 * 64 * 64 + 3 * 64 + 64, 1024);
  expect_work(fused_work(kOne, 128, MapWork::kProjection, Pass::kForwardBackward),
              (4 * 64 * 128 + 2 * 128) * 3 + 12 * 128 * 64 + 3 * 128 + 64, 3072);
  expect_work(fused_work(kOne, 128, MapWork::kTrainedProjection, Pass::kForwardBackward),
              (4 * 64 * 128 + 2 * 128) * 3 + 4 * 64 * 128 + 12 * 128 * 64 + 3 * 128 + 64, 3072);
  expect_work(fused_work(kOne, 128, MapWork::kTrainedPairs, Pass::kForwardBackward),
              (2 * 64 * 128 + 2 * 128) * 3 + 2 * 64 * 128 + 12 * 128 * 64 + 3 * 128 + 64, 3072);
}

TEST(Work, EagerWritesItsFeatures) {
  const double psi = 4 * 64 * 16 + 36864, products = 4 * 128 * 64;
  expect_work(eager_work(kOne, 128, MapWork::kDensePsi, Pass::kForward, false),
              psi + products + 3 * 128 + 64, 1024 + 4 * 4 * 128);
  const double scores = 2 * 1 * (64 + 64);  // N 1
  expect_work(eager_work(kOne, 64, MapWork::kCoordinate, Pass::kForwardBackward, true),
              2 * 2 * 64 + 3 * scores + 3 * 64 + 64, 3072 + 4 * (12 * 64 + 6));
  const double kept = 3 * 4 * 128 * 64 + 3 * 128 + 64, bytes = 3072 + 4 * 12 * 128;
  const double features = 4 * 64 * 128 + 2 * 128, pairs = 2 * 64 * 128 + 2 * 128;
  expect_work(eager_work(kOne, 128, MapWork::kProjection, Pass::kForwardBackward, false),
              2 * features + kept, bytes);
  expect_work(eager_work(kOne, 128, MapWork::kTrainedProjection, Pass::kForwardBackward, false),
              2 * features + 4 * 64 * 128 + kept, bytes);
  expect_work(eager_work(kOne, 128, MapWork::kTrainedPairs, Pass::kForwardBackward, false),
              2 * pairs + 2 * 64 * 128 + kept, bytes);
}

TEST(Work, SoftmaxIsQuadratic) {
  Size size = kOne;
  size.N = 1000;
  const double tokens = 1000, full = 4 * 1000 * 64;
  expect_work(flash_work(size, Pass::kForward, false), tokens * full, tokens * 1024);
  expect_work(flash_work(size, Pass::kForward, true), tokens * full / 2, tokens * 1024);
  expect_work(flash_work(size, Pass::kForwardBackward, false), tokens * 3.5 * full, tokens * 3072);
  expect_work(scores_work(size, Pass::kForward), tokens * full, tokens * (1024 + 16 * 1000));
}

TEST(Work, DecodingReadsAndWritesTheState) {
  expect_work(decode_work(kOne, 64, MapWork::kCoordinate), 2 * 64 + 4 * 64 * 64 + 4 * 64 + 64,
              4 * (4 * 64 + 2 * 64 * 65));
  expect_work(decode_work(kOne, 64, MapWork::kCoordinate, 2), 2 * 64 + 4 * 64 * 64 + 4 * 64 + 64,
              2 * 4 * 64 + 4 * 2 * 64 * 65);
}

/// Two features of one projection share its multiplications.
TEST(Work, PairsOfFeaturesShareAProjection) {
  for (const Operator& op : all_operators()) {
    const Size size{"small", 1, 1, 16, 8, 3, 2, 5};
    const Inputs in = draw_inputs(op, size, 1);
    if (op.name == "hedgehog") {
      EXPECT_EQ(features_of(op, in), 16);
      EXPECT_EQ(work_of(op, size, in, Pass::kForward).flops,
                fused_work(size, 16, MapWork::kProjectedPairs, Pass::kForward).flops);
    }
    if (op.name == "taylor2") {
      EXPECT_EQ(features_of(op, in), 1 + 8 + 36);
    }
  }
}

/// Every operator has a model, and it grows with B, H and N.
TEST(Work, EveryOperatorHasAModel) {
  const Size small{"small", 1, 1, 16, 8, 3, 2, 5};
  Size large = small;
  large.B = 2;
  large.H = 3;
  for (const Operator& op : all_operators()) {
    const Inputs in = draw_inputs(op, small, 1);
    const Work forward = work_of(op, small, in, Pass::kForward);
    const Work training = work_of(op, small, in, Pass::kForwardBackward);
    EXPECT_GT(forward.flops, 0) << op.name;
    EXPECT_GT(training.flops, 2 * forward.flops) << op.name;
    EXPECT_GT(training.bytes, 2 * forward.bytes) << op.name;
    EXPECT_EQ(work_of(op, large, in, Pass::kForward).flops, 6 * forward.flops) << op.name;
  }
}

}  // namespace
}  // namespace luna::bench
