// How many warps a multiprocessor holds, against what NVIDIA's occupancy calculator gives.
#include "experiments/autotune/occupancy.h"

#include <gmock/gmock.h>

#include "experiments/autotune/ranking.h"
#include "tests/support/error_of.h"

namespace luna::autotune {
namespace {

using luna::testing::error_of;
using ::testing::HasSubstr;

void expect_occupancy(const char* name, const BlockUse& use, int blocks, const char* limit) {
  const Occupancy found = occupancy(architecture(name), use);
  EXPECT_EQ(found.blocks, blocks) << name << ", " << use.registers << " registers";
  EXPECT_EQ(found.warps, blocks * ((use.threads + 31) / 32)) << name;
  EXPECT_STREQ(found.limited_by, limit) << name;
}

TEST(Occupancy, IsTheLeastOfFourLimits) {
  expect_occupancy("sm_90", {128, 256, 0}, 2, "registers");
  expect_occupancy("sm_90", {33, 256, 0}, 6, "registers");  // in units of 8
  expect_occupancy("sm_90", {255, 128, 0}, 2, "registers");
  expect_occupancy("sm_90", {32, 32, 0}, 32, "blocks");
  expect_occupancy("sm_86", {32, 32, 0}, 16, "blocks");
  expect_occupancy("sm_90", {32, 256, 0}, 8, "warps");
  expect_occupancy("sm_90", {24, 1024, 0}, 2, "warps");
  expect_occupancy("sm_86", {24, 1024, 0}, 1, "warps");
  expect_occupancy("sm_90", {32, 128, 48 * 1024}, 4, "shared memory");
  expect_occupancy("sm_80", {32, 128, 48 * 1024}, 3, "shared memory");
  expect_occupancy("sm_86", {32, 128, 48 * 1024}, 2, "shared memory");
  expect_occupancy("sm_90", {255, 1024, 0}, 0, "registers");
}

TEST(Occupancy, OfADeviceIsThatOfTheLatestArchitectureThatIsNotBeyondIt) {
  EXPECT_STREQ(architecture_of(80).name, "sm_80");
  EXPECT_STREQ(architecture_of(90).name, "sm_90");
  EXPECT_STREQ(architecture_of(88).name, "sm_87");
  EXPECT_STREQ(architecture_of(121).name, "sm_120");
  EXPECT_THAT(error_of([] { architecture("sm_70"); }),
              HasSubstr("unknown architecture 'sm_70'; known: sm_80, sm_86, "));
}

TEST(Refusal, NamesWhatIsTooMuch) {
  const Architecture &h100 = architecture("sm_90"), &a100 = architecture("sm_80");
  EXPECT_EQ(refusal(h100, {128, 256, 100 * 1024}), "");
  EXPECT_EQ(refusal(h100, {255, 32, 0}), "") << "8 warps";
  EXPECT_EQ(refusal(h100, {168, 384, 0}), "");
  EXPECT_EQ(refusal(h100, {168, 416, 0}),
            "168 registers x 416 threads leave a multiprocessor 0 warps");
  EXPECT_EQ(refusal(h100, {255, 160, 0}),
            "255 registers x 160 threads leave a multiprocessor 5 warps");
  EXPECT_EQ(refusal(h100, {16, 1056, 0}), "1056 threads, a block may have 1024");
  EXPECT_EQ(refusal(h100, {32, 32, 227 * 1024}), "");
  EXPECT_EQ(refusal(h100, {32, 32, 227 * 1024 + 1}),
            "232449 bytes of shared memory, a block of sm_90 may have 232448");
  EXPECT_EQ(refusal(a100, {32, 32, 200 * 1024}),
            "204800 bytes of shared memory, a block of sm_80 may have 166912");
}

}  // namespace
}  // namespace luna::autotune
