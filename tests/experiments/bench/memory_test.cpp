// What tensors hold while an operator runs, and the promise that a fused one keeps no features.
#include "experiments/bench/memory.h"

#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

#include "experiments/bench/admission.h"
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

struct Mode {
  Pass pass;
  bool causal;
};

double peak_of(const Operator& op, Mode mode, const Size& size) {
  Inputs leaves = draw_inputs(op, size, 1).want_gradients();
  leaves.causal = mode.causal;
  const auto task = pass_task(op, leaves, at::ones_like(leaves.q), mode.pass);
  task();
  return static_cast<double>(peak_bytes(task));
}

/// Floats that each further token of a head takes; state and tables, the same for every N, fall
/// out.
double floats_a_token(const Operator& op, Mode mode, int64_t channels) {
  const double more = peak_of(op, mode, size_of(2 * kTokens, channels)) -
                      peak_of(op, mode, size_of(kTokens, channels));
  return more / static_cast<double>(sizeof(float) * kHeads * kTokens);
}

/// The fused operators that take the mode at all.
std::vector<Operator> fused_operators(Mode mode) {
  Admission admission({1, 1});
  std::vector<Operator> fused;
  for (const Operator& op : all_operators()) {
    const bool taken = op.kind == OperatorKind::kFused &&
                       admission.refused(op, size_of(64, 8), mode.causal).empty();
    if (taken) fused.push_back(op);
  }
  return fused;
}

class FusedMemory : public ::testing::TestWithParam<Mode> {};

/// A token takes c (d + dv) floats whatever D is: outputs, gradients, and LUNA's sites, a
/// projection each. The sums of a block of tokens, D (dv + 1) floats a block, are a small part of a
/// feature.
TEST_P(FusedMemory, KeepsNoFeatures) {
  for (const Operator& op : fused_operators(GetParam())) {
    const auto features_at = [&op](int64_t channels) {
      return features_of(op, draw_inputs(op, size_of(1, channels), 1));
    };
    const bool grows = features_at(32) > features_at(8);  // LUNA: D 128 and 512
    for (const int64_t channels : {8, 32}) {
      if (channels > 8 && !grows) continue;
      const Size size = size_of(kTokens, channels);
      const int64_t features = features_at(channels);
      EXPECT_LE(peak_of(op, GetParam(), size),
                fused_peak_limit(op, size, features, GetParam().pass))
          << op.name;
    }
    if (!grows) continue;
    EXPECT_NEAR(floats_a_token(op, GetParam(), 32), floats_a_token(op, GetParam(), 8),
                0.1 * kProjections * (32 - 8))
        << op.name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Modes, FusedMemory,
    ::testing::Values(Mode{Pass::kForward, false}, Mode{Pass::kForwardBackward, false},
                      Mode{Pass::kForward, true}, Mode{Pass::kForwardBackward, true}),
    [](const auto& info) {
      return std::string(info.param.causal ? "causal_" : "") + name_of(info.param.pass);
    });

/// What the promise is about: an operator with its features in memory breaks it.
TEST(EagerMemory, GrowsWithFeatures) {
  for (const Operator& op : all_operators()) {
    if (op.name != "listing1") continue;
    const Mode forward{Pass::kForward, false};
    EXPECT_GT(floats_a_token(op, forward, 32) - floats_a_token(op, forward, 8),
              kProjections * (32 - 8));
    const Size size = size_of(kTokens, 8);
    EXPECT_GT(peak_of(op, forward, size), fused_peak_limit(op, size, 128, Pass::kForward));
  }
}

}  // namespace
}  // namespace luna::bench
