// What a pipeline's arguments cannot say is refused on both devices.
#include <gtest/gtest.h>

#include "runtime/kernels/cpu/tile_call.h"
#include "tests/support/torch_error.h"

namespace luna::kernels {
namespace {

std::string error_of(const Dim& dim) {
  const float x = 0.0f;
  TileCall call("features_elu");
  return test::torch_error_of([&] { call.add(&x, {{1, 1}, dim}); });
}

TEST(ArgumentList, NamesTheExtentStrideOrSpanBeyond32Bits) {
  const std::string cure =
      " elements is beyond 32-bit indexing; pass contiguous tensors, or split the batch";
  EXPECT_EQ(error_of({2147483647, 1}), "no error");
  EXPECT_EQ(error_of({1, 2147483647}), "no error");
  EXPECT_EQ(error_of({2147483648, 1}), "luna: features_elu: an extent of 2147483648" + cure);
  EXPECT_EQ(error_of({2, 2147483648}), "luna: features_elu: a stride of 2147483648" + cure);
  EXPECT_EQ(error_of({128, 16777216}), "luna: features_elu: a span of 2147483648" + cure);
}

}  // namespace
}  // namespace luna::kernels
