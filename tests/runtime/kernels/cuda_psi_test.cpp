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
  std::string activation = "relu";

  int64_t L() const { return tensors[3].numel(); }
  const PiecewiseLinear& lines() const { return *piecewise_linear(activation); }
  int64_t knots() const { return tensors[0].numel() * lines().knots(); }
  Pwl on_host() const { return {{tensors[0], tensors[1], tensors[2], tensors[3]}, lines()}; }
  DevicePwl on_device() const {
    std::vector<at::Tensor> there;
    for (const at::Tensor& x : tensors) there.push_back(test::to_stand_in(x));
    return {{there[0], there[1], there[2], there[3]}, lines()};
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

std::vector<Parameters> of_relu() {
  return {draw("one unit", 1, 1, false, 1),
          draw("as trained", 8, 64, false, 2),
          draw("more channels than warps", 11, 33, false, 3),
          draw("separate", 5, 9, true, 4),
          draw("several blocks of knots", 2, 300, false, 5),
          with("equal knots", {{1, 2}, {1, 2}, {-1, -2}, {2, 4}, {-3, -6}, {0.5f, 1}}),
          with("equal knots, separate", {{1, 2}, {1, 2}, {-1, -2}, {2, 4}}, true),
          with("flat units", {{0, 1}, {0, -1}, {0, 0}, {-0.0f, 2}, {0, 0.5f}}),
          with("steep units", {{1e20f, 0}, {-1e20f, 0}, {1e30f, 1}, {-3e37f, 2}}),
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

std::vector<Parameters> all_parameters() {
  std::vector<Parameters> all;
  for (const char* activation : {"relu", "leaky_relu", "hardtanh"}) {
    for (Parameters p : of_relu()) {
      p.activation = activation;
      p.name = c10::str(activation, ", ", p.name);
      all.push_back(p);
    }
  }
  return all;
}

class CudaPsi : public ::testing::TestWithParam<Parameters> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(test::fused_device().is_cuda()) << "set LUNA_TEST_DEVICE=cuda:0";
    if (!kernels::find_pipeline("psi_table_cuda")) GTEST_SKIP() << "built without nvcc";
    test::poison_fresh_memory();
  }

  /// Channel l's of a side.
  static at::Tensor scale(int64_t L, int side = 0) {
    return (at::arange(L, at::kDouble) + 1.0).sqrt() * (0.7 + side);
  }
  static kernels::MapArgs folded(const Psi& psi, c10::Device device) {
    kernels::MapArgs args;
    args.proj = at::ones({1, 1}, at::TensorOptions(device));
    psi.fold({scale(psi.L()).to(device), 0.25, 0.0f}, args);
    return args;
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
  const kernels::MapArgs host = folded(p.on_host(), at::kCPU),
                         there = folded(p.on_device(), test::fused_device());
  const int64_t K = p.knots(), knots = host.knots.numel();
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
    return ((w2 * (size(x) + 1)).sum(1) + size(p.tensors[3]) + 1) * scale(p.L());
  };
  const at::Tensor terms = at::stack({of_units(p.tensors[0]), of_units(p.tensors[1])});
  for (int64_t s = 0; s <= finite; ++s) expect_close(table[s], host.table[s], terms);
  expect_close(table[K], host.table[knots], terms);  // t = inf
}

/// Of one fold, of both sides, and of both with what ch_rms sends back.
TEST_P(CudaPsi, GradientsAreTheHosts) {
  const Parameters& p = GetParam();
  const Pwl host = p.on_host();
  const DevicePwl there = p.on_device();
  const int64_t K = p.knots(), knots = host.table().segments() - 1;
  const int64_t finite = (host.table().knots < kInfinity).sum().item<int64_t>();
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(9);
  std::vector<FoldedGrads> here, on_device;
  for (int side = 0; side < 4; ++side) {
    kernels::MapGrads grads, moved;
    for (at::Tensor kernels::MapGrads::*g : {&kernels::MapGrads::g0, &kernels::MapGrads::g1}) {
      const at::Tensor drawn = at::randn({finite + 1, p.L()}, generator, at::kDouble);
      grads.*g = at::constant_pad_nd(drawn, {0, 0, 0, knots - finite});
      moved.*g = test::to_stand_in(at::constant_pad_nd(drawn, {0, 0, 0, K - finite}));
    }
    here.push_back({scale(p.L(), side), grads});
    on_device.push_back({test::to_stand_in(scale(p.L(), side)), moved});
    if (side == 2) continue;
    const std::vector<at::Tensor> expected = host.gradients(here);
    const std::vector<at::Tensor> given = there.gradients(on_device);
    ASSERT_EQ(given.size(), expected.size());
    for (size_t i = 0; i < given.size(); ++i) {
      ASSERT_EQ(given[i].sizes(), p.tensors[i].sizes());
      EXPECT_TRUE(at::allclose(given[i].cpu(), expected[i], 3e-7, 1e-12, /*equal_nan=*/true))
          << i << given[i].cpu() << expected[i];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Parameters, CudaPsi, ::testing::ValuesIn(all_parameters()));

/// Whatever is piecewise linear, of any size.
TEST_F(CudaPsi, StaysOnTheDevice) {
  const auto stays = [](const std::string& name, const std::string& activation, int64_t hid,
                        bool on_device = true) {
    std::vector<at::Tensor> params = draw("", 2, hid, false, 1).tensors;
    for (at::Tensor& x : params) x = on_device ? test::to_stand_in(x) : x;
    return dynamic_cast<DevicePwl*>(make_psi(name, activation, params).get()) != nullptr;
  };
  EXPECT_TRUE(stays("auto", "relu", 64));
  EXPECT_TRUE(stays("pwl", "relu", 1025));
  EXPECT_TRUE(stays("auto", "leaky_relu", 64));
  EXPECT_TRUE(stays("auto", "hardtanh", 64));
  EXPECT_FALSE(stays("dense", "relu", 64));
  EXPECT_FALSE(stays("pwl", "relu", 64, /*on_device=*/false));
}

}  // namespace
}  // namespace luna::psi
