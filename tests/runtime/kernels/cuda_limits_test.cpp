// What is beyond one launch is refused by name (stand-in device, PTX interpreter).
#include <gtest/gtest.h>

#include "runtime/luna.h"
#include "runtime/ops/checks.h"
#include "tests/support/torch_error.h"

namespace luna::test {
namespace {

const c10::Device kThere("cuda:0");

TEST(CudaDecode, NamesTheSequencesThatAreTooMany) {
  const auto some = [](at::IntArrayRef shape) {
    return at::zeros(shape, at::TensorOptions(kThere));
  };
  const int64_t B = 65536;
  EXPECT_EQ(torch_error_of([&] {
              fixed_decode_step(some({B, 1, 1}), some({B, 1, 1}), some({B, 1, 1}),
                                some({B, 1, 1, 1}), some({B, 1, 1}), "elu", {});
            }),
            "luna: CUDA decodes at most 65535 sequences and key heads a call, got 65536 and 1; "
            "split the batch or the heads");
}

/// Of one launch: the batch's, or that of packed sequences that lie side by side.
TEST(CudaState, OfMoreThan31BitsIsRefusedThereAlone) {
  ops::Spec spec;
  spec.feature_map = "taylor2";
  const auto inputs_of = [](int64_t B, int64_t d, int64_t dv, const c10::Device& device) {
    const at::Tensor zero = at::zeros({1}, at::TensorOptions(device));
    const at::Tensor x = zero.expand({B, 1, 3, d});
    return ops::Inputs{x, x, zero.expand({B, 1, 3, dv}), {}, {}};
  };
  const auto error_of = [&](const ops::Inputs& in) {
    return torch_error_of([&] { ops::check_built("fixed_attention", in, spec); });
  };
  const std::string refused =
      "fixed_attention: the state [B, Hk, D, dv] of a call on CUDA may have at most 2147483647 "
      "elements, got 5036851800; split the batch or the heads.";
  EXPECT_EQ(error_of(inputs_of(1, 4096, 600, kThere)), refused);
  EXPECT_EQ(error_of(inputs_of(3, 4096, 200, kThere)), refused);
  EXPECT_EQ(error_of(inputs_of(1, 4096, 200, kThere)), "no error");
  EXPECT_EQ(error_of(inputs_of(3, 4096, 200, at::kCPU)), "no error");
  EXPECT_EQ(error_of(inputs_of(1, 4096, 600, at::kCPU)),
            "fixed_attention: a head's state [D, dv] may have at most 2147483647 elements, got "
            "5036851800; split the batch or the heads.");

  ops::Inputs packed = inputs_of(1, 4096, 600, kThere);
  packed.cu_seqlens = at::tensor({0, 3}, at::kInt);
  EXPECT_EQ(error_of(packed), "no error");  // known only once the sequences are grouped
  EXPECT_EQ(torch_error_of([&] { ops::check_state_elements("fixed_attention", packed, spec); }),
            refused);
}

}  // namespace
}  // namespace luna::test
