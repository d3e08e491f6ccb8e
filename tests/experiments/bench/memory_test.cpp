// What tensors hold while an operator runs, and the promise that a fused one keeps no features.
#include "experiments/bench/memory.h"

#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

#include "experiments/bench/interleaved.h"
#include "experiments/bench/operators.h"
#include "experiments/bench/work.h"

namespace luna::bench {
namespace {

constexpr int64_t kFloats = 1000, kBytes = 4 * kFloats;

at::Tensor kilofloat() { return at::empty({kFloats}, at::kFloat); }

TEST(PeakBytes, IsTheMostAtOneTime) {
  EXPECT_EQ(peak_bytes([] {}), 0);
  EXPECT_EQ(peak_bytes([] { kilofloat(), kilofloat(), kilofloat(); }), 3 * kBytes);
  EXPECT_EQ(peak_bytes([] {
              for (int i = 0; i < 3; ++i) kilofloat();
            }),
            kBytes);
  const at::Tensor outside = kilofloat();
  at::Tensor kept;
  EXPECT_EQ(peak_bytes([&] {
              kept = kilofloat();
              kept.copy_(outside);
            }),
            kBytes);
  EXPECT_EQ(peak_bytes([&] { kilofloat(); }), kBytes);  // what is kept counts no more
}

TEST(PeakBytes, RestoresTheAllocatorAfterAnError) {
  c10::Allocator* const before = c10::GetCPUAllocator();
  EXPECT_THROW(peak_bytes([] { throw std::runtime_error("no"); }), std::runtime_error);
  EXPECT_EQ(c10::GetCPUAllocator(), before);
}

constexpr int64_t kHeads = 2, kTokens = 8192, kHeadSize = 32, kProjections = 16;

Size size_of(int64_t tokens, int64_t channels) {
  return {"", 1, kHeads, tokens, kHeadSize, kProjections, channels, 16};
}

double peak_of(const Operator& op, Pass pass, const Size& size) {
  const Inputs leaves = draw_inputs(op, size, 1).want_gradients();
  const auto task = pass_task(op, leaves, at::ones_like(leaves.q), pass);
  task();
  return static_cast<double>(peak_bytes(task));
}

/// Floats that each further token of a head takes; state and tables, the same for every N, fall
/// out.
double floats_a_token(const Operator& op, Pass pass, int64_t channels) {
  const double more = peak_of(op, pass, size_of(2 * kTokens, channels)) -
                      peak_of(op, pass, size_of(kTokens, channels));
  return more / static_cast<double>(sizeof(float) * kHeads * kTokens);
}

class FusedMemory : public ::testing::TestWithParam<Pass> {};

/// A token takes c (d + dv) floats whatever D is: outputs, gradients, and LUNA's sites, a
/// projection each. The sums of a block of tokens, D (dv + 1) floats a block, are a small part of a
/// feature.
TEST_P(FusedMemory, KeepsNoFeatures) {
  for (const Operator& op : all_operators()) {
    if (op.kind != OperatorKind::kFused) continue;
    for (const int64_t channels : {8, 32}) {  // LUNA: D 128 and 512
      const Size size = size_of(kTokens, channels);
      const int64_t features = features_of(op, draw_inputs(op, size_of(1, channels), 1));
      EXPECT_LE(peak_of(op, GetParam(), size), fused_peak_limit(size, features, GetParam()))
          << op.name;
    }
    EXPECT_NEAR(floats_a_token(op, GetParam(), 32), floats_a_token(op, GetParam(), 8),
                0.1 * kProjections * (32 - 8))
        << op.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Passes, FusedMemory,
                         ::testing::Values(Pass::kForward, Pass::kForwardBackward),
                         [](const auto& info) { return name_of(info.param); });

/// What the promise is about: an operator with its features in memory breaks it.
TEST(EagerMemory, GrowsWithFeatures) {
  for (const Operator& op : all_operators()) {
    if (op.name != "listing1") continue;
    EXPECT_GT(floats_a_token(op, Pass::kForward, 32) - floats_a_token(op, Pass::kForward, 8),
              kProjections * (32 - 8));
    const Size size = size_of(kTokens, 8);
    EXPECT_GT(peak_of(op, Pass::kForward, size), fused_peak_limit(size, 128, Pass::kForward));
  }
}

}  // namespace
}  // namespace luna::bench
