// psi's table made on the device, and its gradient taken apart there (stand-in device, PTX
// interpreter), against the host's.
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/kernels/registry.h"
#include "runtime/psi/device_pwl.h"
#include "runtime/psi/pwl.h"
#include "tests/support/inputs.h"
#include "tests/support/poison.h"
#include "tests/support/stand_in_device.h"

namespace luna::psi {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// w1, b1, w2 and b2 on the host.
struct Parameters {
  std::string name;
  std::vector<at::Tensor> tensors;

  int64_t L() const { return tensors[3].numel(); }
  int64_t units() const { return tensors[0].numel(); }
  Pwl on_host() const {
    return {Weights(tensors[0], tensors[1], tensors[2], tensors[3]), *piecewise_linear("relu")};
  }
  DevicePwl on_device() const {
    std::vector<at::Tensor> there;
    for (const at::Tensor& x : tensors) there.push_back(test::to_stand_in(x));
    return DevicePwl({there[0], there[1], there[2], there[3]});
  }
};

void PrintTo(const Parameters& p, std::ostream* out) { *out << p.name; }

Parameters draw(const std::string& name, int64_t L, int64_t hid, bool separate, uint64_t seed) {
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const std::vector<int64_t> units =
      separate ? std::vector<int64_t>{L, hid} : std::vector<int64_t>{hid};
  return {name,
          {at::randn(units, generator), at::randn(units, generator), at::randn({L, hid}, generator),
           at::randn({L}, generator)}};
}

/// With these units in the place of the first ones.
Parameters with(const std::string& name, const std::vector<std::pair<float, float>>& w1_b1,
                bool separate = false) {
  Parameters p = draw(name, 3, 40, separate, 7);
  at::Tensor w1 = p.tensors[0].view(-1), b1 = p.tensors[1].view(-1);
  for (size_t u = 0; u < w1_b1.size(); ++u) {
    w1[static_cast<int64_t>(u)] = w1_b1[u].first;
    b1[static_cast<int64_t>(u)] = w1_b1[u].second;
  }
  return p;
}

Parameters with_w2(const std::string& name, float w2) {
  Parameters p = draw(name, 3, 40, false, 8);
  p.tensors[2][1][5] = w2;
  return p;
}

std::vector<Parameters> all_parameters() {
  return {draw("one unit", 1, 1, false, 1),
          draw("as trained", 8, 64, false, 2),
          draw("more channels than warps", 11, 33, false, 3),
          draw("separate", 5, 9, true, 4),
          draw("several rounds of a block", 2, 300, false, 5),
          with("equal knots", {{1, 2}, {1, 2}, {-1, -2}, {2, 4}, {-3, -6}, {0.5f, 1}}),
          with("equal knots, separate", {{1, 2}, {1, 2}, {-1, -2}, {2, 4}}, true),
          with("flat units", {{0, 1}, {0, -1}, {0, 0}, {-0.0f, 2}}),
          with("infinite biases", {{1, kInfinity}, {-1, kInfinity}, {1, -kInfinity}}),
          with("knots beyond float", {{1e-30f, -1e20f}, {1e-30f, 1e20f}, {-1e-30f, 1e20f}}),
          with("a huge unit", {{-1e20f, 0}, {1e20f, 3}}),
          with("subnormal", {{1e-42f, 1e-42f}, {3, 1e-42f}}),
          with("infinite w1", {{kInfinity, 1}}),
          with("NaN w1, on", {{NAN, 1}}),
          with("NaN w1, off", {{NAN, -1}}, true),
          with("NaN b1", {{1, NAN}}),
          with_w2("infinite w2", -kInfinity),
          with_w2("NaN w2", NAN)};
}

class CudaPsi : public ::testing::TestWithParam<Parameters> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(test::fused_device().is_cuda()) << "set LUNA_TEST_DEVICE=cuda:0";
    if (!kernels::find_pipeline("psi_table_cuda")) GTEST_SKIP() << "built without nvcc";
    test::poison_fresh_memory();
  }

  static Fold fold(int64_t L) {
    return {std::vector<double>(static_cast<size_t>(L), 0.7), 0.25, 0.0f};
  }
  static kernels::MapArgs folded(const Psi& psi, const at::Tensor& like) {
    kernels::MapArgs args;
    psi.fold(fold(psi.L()), like, args);
    return args;
  }
  static kernels::MapArgs folded_on_host(const Parameters& p) {
    return folded(p.on_host(), p.tensors[0]);
  }
};

/// a and b, both NaN or as close as sums of `terms` in another order.
void expect_close(const at::Tensor& a, const at::Tensor& b, const at::Tensor& terms) {
  const at::Tensor same = (a == b) | (a.isnan() & b.isnan());
  EXPECT_TRUE((same | ((a - b).abs() <= 1e-14 * terms)).all().item<bool>()) << a << b;
}

/// Line by line; of a table with a row of its own for every unit those that are reached.
TEST_P(CudaPsi, TableIsTheHosts) {
  const Parameters& p = GetParam();
  const kernels::MapArgs host = folded_on_host(p),
                         there = folded(p.on_device(), test::to_stand_in(p.tensors[0]));
  const int64_t K = p.units(), knots = host.knots.numel();
  ASSERT_EQ(there.knots.sizes(), at::IntArrayRef({K}));
  ASSERT_EQ(there.table.sizes(), at::IntArrayRef({K + 1, 2, p.L()}));
  EXPECT_EQ(there.floor, host.floor);
  const at::Tensor sorted = there.knots.cpu(), table = there.table.cpu();
  EXPECT_TRUE(at::equal(sorted.narrow(0, 0, knots), host.knots));
  EXPECT_TRUE((sorted.narrow(0, knots, K - knots) == kInfinity).all().item<bool>());
  const int64_t finite = (host.knots < kInfinity).sum().item<int64_t>();
  const auto size = [](const at::Tensor& x) { return x.to(at::kDouble).abs().nan_to_num(1, 1); };
  const at::Tensor w2 = size(p.tensors[2]);
  const auto of_units = [&](const at::Tensor& x) {
    return (w2 * size(x)).sum(1) + size(p.tensors[3]) + 1;
  };
  const at::Tensor terms = at::stack({of_units(p.tensors[0]), of_units(p.tensors[1])});
  for (int64_t s = 0; s <= finite; ++s) expect_close(table[s], host.table[s], terms);
  expect_close(table[K], host.table[knots], terms);  // t = inf
}

TEST_P(CudaPsi, GradientsAreTheHosts) {
  const Parameters& p = GetParam();
  const Pwl host = p.on_host();
  const DevicePwl there = p.on_device();
  const int64_t K = p.units(), knots = host.table().segments() - 1;
  const int64_t finite = (folded_on_host(p).knots < kInfinity).sum().item<int64_t>();
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(9);
  kernels::MapGrads both;
  Gradient sum = there.no_gradient(), host_sum = host.no_gradient();
  for (int side = 0; side < 2; ++side) {
    kernels::MapGrads grads;
    for (at::Tensor kernels::MapGrads::*g : {&kernels::MapGrads::g0, &kernels::MapGrads::g1}) {
      const at::Tensor drawn = at::randn({finite + 1, p.L()}, generator, at::kDouble);
      const at::Tensor on_host = at::constant_pad_nd(drawn, {0, 0, 0, knots - finite});
      both.*g = side == 0 ? on_host : both.*g + on_host;
      grads.*g = test::to_stand_in(at::constant_pad_nd(drawn, {0, 0, 0, K - finite}));
    }
    there.unfold(fold(p.L()), grads, sum);
  }
  host.unfold(fold(p.L()), both, host_sum);
  const std::vector<at::Tensor> expected = host.tensors(host_sum, p.tensors[0]);
  const std::vector<at::Tensor> given = there.tensors(sum, p.tensors[0]);
  ASSERT_EQ(given.size(), expected.size());
  for (size_t i = 0; i < given.size(); ++i) {
    ASSERT_EQ(given[i].sizes(), p.tensors[i].sizes());
    EXPECT_TRUE(at::allclose(given[i].cpu(), expected[i], 3e-7, 1e-12, /*equal_nan=*/true))
        << i << given[i].cpu() << expected[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Parameters, CudaPsi, ::testing::ValuesIn(all_parameters()));

/// Other tables than those of a ReLU, larger ones and channels of several scales are the host's.
TEST_F(CudaPsi, KeepsOnTheDeviceWhatItTakes) {
  const auto stays = [](const std::string& name, const std::string& activation, int64_t hid,
                        bool one_scale, bool on_device = true) {
    std::vector<at::Tensor> params = draw("", 2, hid, false, 1).tensors;
    for (at::Tensor& x : params) x = on_device ? test::to_stand_in(x) : x;
    const auto psi = make_psi(name, activation, params, one_scale);
    return dynamic_cast<DevicePwl*>(psi.get()) != nullptr;
  };
  EXPECT_TRUE(stays("auto", "relu", 64, true));
  EXPECT_TRUE(stays("pwl", "relu", 1024, true));
  EXPECT_FALSE(stays("pwl", "relu", 1025, true));
  EXPECT_FALSE(stays("pwl", "relu", 64, false));
  EXPECT_FALSE(stays("dense", "relu", 64, true));
  EXPECT_FALSE(stays("auto", "leaky_relu", 64, true));
  EXPECT_FALSE(stays("pwl", "relu", 64, true, /*on_device=*/false));
}

}  // namespace
}  // namespace luna::psi
