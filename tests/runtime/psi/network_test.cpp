// The table of a deeper ReLU psi against the network it stands for.
#include "runtime/psi/network.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "runtime/psi/device_network.h"
#include "tests/runtime/ops/literal_psi.h"
#include "tests/runtime/psi/tables.h"
#include "tests/support/torch_error.h"

namespace luna::psi {
namespace {

using Params = std::vector<at::Tensor>;

/// One to three hidden layers of different widths, L channels; float32.
rc::Gen<Params> network() {
  return rc::gen::exec([] {
    Params params;
    const auto add = [&](const std::vector<int64_t>& shape) {
      const auto count = static_cast<size_t>(c10::multiply_integers(shape));
      params.push_back(
          at::tensor(*rc::gen::container<std::vector<float>>(count, weight())).reshape(shape));
    };
    int64_t in = *rc::gen::inRange<int64_t>(1, 8);
    add({in});
    add({in});
    for (int64_t more = *rc::gen::inRange(0, 3); more >= 0; --more) {
      const int64_t out = *rc::gen::inRange<int64_t>(1, 8);
      add({out, in});
      add({out});
      in = out;
    }
    return params;
  });
}

Params in_double(const Params& params) {
  Params out;
  for (const at::Tensor& p : params) out.push_back(p.to(at::kDouble));
  return out;
}

/// The map's parameters, as literal_psi takes them: without a projection.
Params as_map(const Params& params) {
  Params out{{}, {}};
  for (const at::Tensor& p : in_double(params)) out.push_back(p);
  return out;
}

/// psi [L] at t, and of every hidden unit before its ReLU the share of its terms that is left.
struct Evaluated {
  at::Tensor psi;
  double smallest_share = 1.0;
  at::Tensor size;  ///< [L], sum of the sizes of all terms
};

Evaluated evaluate(const Params& p, double t) {
  Evaluated out;
  at::Tensor h = p[0] * t + p[1], size = p[0].abs() * std::abs(t) + p[1].abs();
  for (size_t i = 2; i < p.size(); i += 2) {
    const at::Tensor share = (h.abs() / size).masked_fill(size == 0, 1.0);
    out.smallest_share = std::min(out.smallest_share, share.min().item<double>());
    h = at::mv(p[i], h.relu()) + p[i + 1];
    size = at::mv(p[i].abs(), size) + p[i + 1].abs();
  }
  out.psi = h;
  out.size = size.detach();
  return out;
}

template <typename Table>
Table made(const Params& params) {
  if constexpr (std::is_same_v<Table, Network>) {
    return Network("op", params);
  } else {
    return Table(params);
  }
}

/// On the host, and as on a device, which needs none: ATen's operators are the CPU's.
template <typename Table>
class EitherNetwork : public ::testing::Test {};
using Networks = ::testing::Types<Network, DeviceNetwork>;
TYPED_TEST_SUITE(EitherNetwork, Networks);

TYPED_TEST(EitherNetwork, EqualsItsLayersEverywhere) {
  EXPECT_TRUE(rc::check([] {
    const Params params = *network();
    const HostTable table(made<TypeParam>(params).table());
    for (const float t : probes(table)) {
      const auto expected = test::literal_psi("luna-deep", t, as_map(params));
      const at::Tensor size = evaluate(in_double(params), t).size;
      for (int64_t l = 0; l < table.L; ++l) {
        RC_ASSERT(std::abs(value(table, t, l) - expected[l]) <= 1e-12 * size[l].item<double>());
      }
    }
  }));
}

TEST(Network, KnotsRiseStrictly) {
  EXPECT_TRUE(rc::check([] {
    const std::vector<float> knots = HostTable(Network("op", *psi::network()).table()).knots;
    RC_ASSERT(std::adjacent_find(knots.begin(), knots.end(), std::greater_equal<>()) ==
              knots.end());
  }));
}

/// Gradients from segment sums equal autograd's over samples.
TYPED_TEST(EitherNetwork, GradientEqualsTheSumOverSamples) {
  EXPECT_TRUE(rc::check([] {
    const Params params = *network();
    const auto network = made<TypeParam>(params);
    const HostTable table(network.table());
    Params leaves = in_double(params);
    for (at::Tensor& leaf : leaves) leaf.requires_grad_(true);
    LineSums sums(table);
    at::Tensor loss = at::zeros({}, at::kDouble);
    for (const float t : {0.61f, -0.83f, 1.9f, -2.7f, 0.013f, 5.5f, -31.0f}) {
      const Evaluated at_t = evaluate(leaves, t);
      if (at_t.smallest_share < 1e-10) continue;  // either side of a ReLU may be taken
      const at::Tensor g = (at::arange(1, table.L + 1, at::kDouble) * (3.0 + t)).sin();
      loss = loss + (g * at_t.psi).sum();
      for (int64_t l = 0; l < table.L; ++l) {
        sums.add(segment(table, t), l, t, g[l].item<double>());
      }
    }
    if (!loss.requires_grad()) return;
    const auto expected = torch::autograd::grad({loss}, leaves);
    const Params given = network.unfold(sums.lines);
    for (size_t i = 0; i < leaves.size(); ++i) {
      RC_ASSERT(given[i].sizes() == leaves[i].sizes());
      const double scale = expected[i].abs().max().item<double>();
      RC_ASSERT((given[i] - expected[i]).abs().max().item<double>() <= 1e-9 * scale + 1e-300);
    }
  }));
}

/// Tent maps of tent maps: a saw with a knot at every k/2^n.
Params saw(int64_t layers) {
  const at::Tensor tent = at::tensor({2.0f, -4.0f, 2.0f, -4.0f}).view({2, 2});
  const at::Tensor bias = at::tensor({0.0f, -0.5f});
  Params params{at::ones({2}), bias};
  for (int64_t i = 1; i < layers; ++i) params.insert(params.end(), {tent, bias});
  params.insert(params.end(), {tent.narrow(0, 0, 1), at::zeros({1})});
  return params;
}

/// Also where layers could cut more often than there is room for.
TYPED_TEST(EitherNetwork, FoldsLayerByLayer) {
  for (const int64_t layers : {5, 12}) {
    const HostTable table(made<TypeParam>(saw(layers)).table());
    const int64_t teeth = int64_t{1} << layers;
    std::vector<float> knots = table.knots;
    knots.erase(std::unique(knots.begin(), knots.end()), knots.end());
    if (knots.back() == INFINITY) knots.pop_back();
    std::vector<float> expected;
    for (int64_t k = 0; k <= teeth; ++k) {
      expected.push_back(static_cast<float>(k) / static_cast<float>(teeth));
    }
    EXPECT_EQ(knots, expected);
    EXPECT_EQ(value(table, 3.25f / static_cast<float>(teeth), 0), 0.75);
  }
}

TYPED_TEST(EitherNetwork, HugeUnitLeavesNoTraceWhereItIsInactive) {
  Params params = saw(2);
  params[0] = at::tensor({-1e20f, 1.0f});  // active for t < 0 alone
  params[1] = at::tensor({0.0f, 0.25f});
  EXPECT_EQ(value(HostTable(made<TypeParam>(params).table()), 1.0f, 0), 0.0);
  params[2] = -params[2];
  const double first = 4 * 1.25, second = first - 0.5;
  EXPECT_DOUBLE_EQ(value(HostTable(made<TypeParam>(params).table()), 1.0f, 0),
                   2 * first - 4 * second);
}

/// But for a bias of -inf, whose unit is off.
TYPED_TEST(EitherNetwork, AHiddenParameterThatIsNotFiniteSpoilsEveryChannel) {
  for (size_t i = 0; i < 4; ++i) {
    for (const float bad : {NAN, INFINITY, -INFINITY}) {
      Params params = saw(2);
      params[4] = at::ones({3, 2});
      params[5] = at::zeros({3});
      params[i] = params[i].clone();
      params[i].flatten()[0] = bad;
      const auto network = made<TypeParam>(params);
      const HostTable table(network.table());
      const bool off = i % 2 == 1 && bad == -INFINITY;
      for (const double x : table.intercept) EXPECT_EQ(std::isnan(x), !off) << i << " " << bad;
      if (!off) continue;
      const Params grads = network.unfold(at::zeros_like(network.table().lines));
      for (const at::Tensor& grad : grads) EXPECT_FALSE(grad.isnan().any().item<bool>()) << i;
    }
  }
}

TYPED_TEST(EitherNetwork, AnOutputThatIsNotFiniteSpoilsItsChannelAlone) {
  for (const size_t i : {4, 5}) {
    Params params = saw(2);
    params[4] = at::ones({3, 2});
    params[5] = at::zeros({3});
    params[i][1] = NAN;
    const HostTable table(made<TypeParam>(params).table());
    for (int64_t s = 0; s < table.segments(); ++s) {
      for (int64_t l = 0; l < 3; ++l) EXPECT_EQ(std::isnan(line(table, s, l).offset), l == 1);
    }
  }
}

TEST(Network, SaysHowManyKnotsAreTooMany) {
  const auto error = [](int64_t units) {
    return test::torch_error_of([&] {
      Network("op",
              {at::ones({units}), at::linspace(-1, 1, units), at::ones({1, units}), at::ones({1})});
    });
  };
  EXPECT_EQ(error(kernels::kMaxKnots), "no error");
  EXPECT_EQ(error(5000),
            "op: luna-deep's psi may have at most 4368 knots, got 5000 behind W_1; use fewer or "
            "narrower hidden layers.");
}

/// Knots that are one take one place.
TEST(DeviceNetwork, IsNanWithTooManyKnots) {
  const auto any_nan = [](const Params& params) {
    return DeviceNetwork(params).table().lines.isnan().any().item<bool>();
  };
  EXPECT_TRUE(any_nan(saw(13)));
  Params again = saw(6);  // then 100 units that cut its 64 teeth where the others do
  again.resize(12);
  again.insert(again.end(), {at::tensor({2.0f, -4.0f}).repeat({100, 1}), at::full({100}, -0.5f),
                             at::ones({1, 100}), at::ones({1})});
  EXPECT_FALSE(any_nan(again));
}

}  // namespace
}  // namespace luna::psi
