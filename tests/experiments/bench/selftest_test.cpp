// The self-test passes what is right and names what is wrong.
#include "experiments/bench/selftest.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "runtime/kernels/registry.h"

namespace luna::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Selftest, PassesOnTheCpu) {
  size_t lines = 0;
  const auto results = selftest(c10::kCPU, "", [&](const std::string&) { lines++; });
  for (const SelftestResult& result : results) {
    EXPECT_TRUE(result.passed()) << result.map << ", " << result.mode << ": " << result.worst << " "
                                 << result.error;
    EXPECT_EQ(result.not_built, "") << result.map << ", " << result.mode;
  }
  EXPECT_THAT(selftest_summary(results), HasSubstr(": all within their bounds"));
  EXPECT_GT(lines, 20u);
}

int computes_nothing(void**) { return 0; }

TEST(Selftest, NamesWhatIsWrong) {
  kernels::replace_pipeline("features_identity", computes_nothing);
  const auto results = selftest(c10::kCPU, "ti", [](const std::string&) {});
  kernels::replace_pipeline("features_identity", nullptr);
  for (const SelftestResult& result : results) {
    EXPECT_EQ(result.passed(), result.map != "identity") << result.map << ", " << result.mode;
  }
  EXPECT_THAT(selftest_summary(results), HasSubstr("failures\nfailed: identity, plain: "));
}

TEST(Selftest, NamesWhatIsNotBuilt) {
  SelftestResult missing, refused;
  missing.map = "elu";
  refused.map = "cosformer";
  for (SelftestResult* result : {&missing, &refused}) result->mode = "causal";
  missing.not_built = "luna: the CUDA kernel rows_scan is missing";
  const std::string summary = selftest_summary({missing, refused});
  EXPECT_THAT(summary, HasSubstr("2 not offered: all within their bounds\n"
                                 "not built: elu, causal: luna: the CUDA kernel rows_scan"));
  EXPECT_THAT(summary, Not(HasSubstr("cosformer")));
}

}  // namespace
}  // namespace luna::bench
