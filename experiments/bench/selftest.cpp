#include "experiments/bench/selftest.h"

#include <ATen/CPUGeneratorImpl.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <cmath>

#include "experiments/bench/gate.h"
#include "runtime/luna.h"
#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/reference.h"

namespace luna::bench {
namespace {

/// Attempts at a configuration: a scalar within a rounding of a kink of its map may rightly go to
/// either side, and then decides the error. Twice in a row it does not.
constexpr int kDraws = 2;

struct Configuration {
  int64_t B, H, Hk, Nq, N, d, dv, m, L, hid;
};

/// Head sizes as built and between, ragged tiles, grouped heads; in the first mode also more tokens
/// than a strip has.
const std::vector<Configuration> kConfigurations = {{2, 2, 2, 33, 65, 32, 32, 4, 8, 6},
                                                    {1, 4, 2, 70, 63, 64, 64, 8, 8, 8},
                                                    {1, 2, 1, 5, 130, 17, 40, 3, 5, 7}};
const Configuration kLong = {1, 1, 1, 1100, 1100, 16, 16, 2, 4, 4};

/// What is asked of a map beside its defaults.
struct Mode {
  std::string name;
  std::function<void(ops::Spec&)> change = [](ops::Spec&) {};
  bool masked = false;
  at::ScalarType dtype = at::kFloat;
  /// Whether operators take it at all: nothing that a later token would change can be causal.
  bool (*takes)(const ops::Spec&) = [](const ops::Spec&) { return true; };
};

const std::vector<Mode>& modes() {
  static const std::vector<Mode> all = {
      {"plain"},
      {"masked", [](ops::Spec&) {}, true},
      {"clamped",
       [](ops::Spec& spec) {
         spec.denominator = "clamp_min";
         spec.eps = 1e-3;
       }},
      {"causal", [](ops::Spec& spec) { spec.causal = true; }, false, at::kFloat,
       [](const ops::Spec& spec) {
         return spec.ch_rms_target == 0 && spec.feature_map != "cosformer";
       }},
      {"bfloat16", [](ops::Spec& spec) { spec.eps = 0.5; }, false, at::kBFloat16},
      {"float16", [](ops::Spec& spec) { spec.eps = 0.5; }, false, at::kHalf}};
  return all;
}

/// A map under its options.
struct Map {
  std::string name;
  ops::Spec spec;
};

Map learned(const std::string& name, const std::function<void(ops::Spec&)>& change) {
  Map map{"luna " + name, {}};
  change(map.spec);
  return map;
}

std::vector<Map> maps() {
  std::vector<Map> all = {learned("table", [](ops::Spec& spec) { spec.psi = "pwl"; }),
                          learned("dense relu", [](ops::Spec& spec) { spec.psi = "dense"; }),
                          learned("dense gelu", [](ops::Spec& spec) { spec.activation = "gelu"; }),
                          learned("dense silu", [](ops::Spec& spec) { spec.activation = "silu"; }),
                          learned("feature eps", [](ops::Spec& spec) { spec.feature_eps = 1e-2; }),
                          learned("envelope", [](ops::Spec& spec) { spec.envelope = "norm"; }),
                          learned("ch_rms", [](ops::Spec& spec) { spec.ch_rms_target = 0.1; })};
  for (const std::string& name : ops::fixed_map_variants()) {
    all.push_back({name, {}});
    all.back().spec.feature_map = name;
  }
  return all;
}

std::vector<at::Tensor> draw_params(const ops::Spec& spec, const Configuration& c,
                                    const at::Generator& generator) {
  std::vector<at::Tensor> params;
  if (!spec.learned()) {
    params = draw_feature_map(spec.feature_map, c.m, c.d, generator);
    const std::vector<ops::MapParam> rows = ops::find_fixed_map(spec.feature_map).params();
    for (size_t i = 0; i < params.size(); ++i) {
      params[i].set_requires_grad(rows[i].kind == ops::ParamKind::trained);
    }
    return params;
  }
  const auto normal = [&](at::IntArrayRef shape, double scale) {
    return at::randn(shape, generator).mul_(scale).set_requires_grad(true);
  };
  const double d = 1 / std::sqrt(static_cast<double>(c.d)),
               hid = 1 / std::sqrt(static_cast<double>(c.hid));
  return {normal({c.m, c.d}, d), normal({c.m}, 0.3),        normal({c.hid}, 1),
          normal({c.hid}, 1),    normal({c.L, c.hid}, hid), normal({c.L}, 0.3)};
}

Inputs draw(const ops::Spec& spec, const Configuration& c, uint64_t seed) {
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  Inputs in;
  in.causal = spec.causal;
  const int64_t queries = spec.causal ? c.N : c.Nq;
  in.q = usual_tokens(spec.feature_map, at::randn({c.B, c.H, queries, c.d}, generator));
  in.k = usual_tokens(spec.feature_map, at::randn({c.B, c.Hk, c.N, c.d}, generator));
  in.v = at::randn({c.B, c.Hk, c.N, c.dv}, generator);
  in.params = draw_params(spec, c, generator);
  return in.want_gradients();
}

at::Tensor fused(const ops::Inputs& in, const ops::Spec& spec) {
  LunaOptions options;
  options.causal = spec.causal;
  options.key_mask = in.key_mask;
  options.denominator = spec.denominator;
  options.eps = spec.eps;
  if (!spec.learned()) {
    return fixed_attention(in.q, in.k, in.v, spec.feature_map, in.params, options);
  }
  options.activation = spec.activation;
  options.envelope = spec.envelope;
  options.ch_rms_target = spec.ch_rms_target;
  options.psi = spec.psi;
  options.feature_eps = spec.feature_eps;
  const auto& p = in.params;
  return luna_attention(in.q, in.k, in.v, {p[0], p[1], p[2], p[3], p[4], p[5]}, options);
}

/// The fused operator on the device beside its formula on the host; inputs and results on the host.
Operator operator_of(const ops::Spec& spec, const std::optional<at::Tensor>& mask,
                     c10::Device device) {
  Operator op;
  op.apply = [spec, mask, device](const Inputs& in) {
    ops::Inputs there{in.q.to(device), in.k.to(device), in.v.to(device), {}, {}};
    for (const at::Tensor& param : in.params) there.params.push_back(param.to(device));
    if (mask) there.key_mask = mask->to(device);
    return fused(there, spec).to(c10::kCPU);
  };
  op.reference = [spec, mask](const Inputs& in) {
    return ops::reference_attention({in.q, in.k, in.v, in.params, mask}, spec);
  };
  return op;
}

/// Largest error in units of its bound.
double compare(const ops::Spec& spec, const Mode& mode, const Configuration& c,
               c10::Device device) {
  double least = std::numeric_limits<double>::infinity();
  for (int k = 0; k < kDraws && least > 1; ++k) {
    std::optional<at::Tensor> mask;
    if (mode.masked) {
      mask = at::rand({c.B, c.N}, at::detail::createCPUGenerator(k)) < 0.7;
    }
    const GateResult result =
        check(operator_of(spec, mask, device), draw(spec, c, 7 + k), mode.dtype);
    least = std::min(least, result.max_error / result.limit);
  }
  return least;
}

SelftestResult run_mode(const Map& map, const Mode& mode, c10::Device device) {
  SelftestResult result;
  result.map = map.name;
  result.mode = mode.name;
  if (!mode.takes(map.spec)) return result;
  ops::Spec spec = map.spec;
  mode.change(spec);
  try {
    std::vector<Configuration> configurations = kConfigurations;
    if (&mode == &modes().front()) configurations.push_back(kLong);
    for (const Configuration& c : configurations) {
      result.worst = std::max(result.worst, compare(spec, mode, c, device));
      result.configurations++;
    }
  } catch (const c10::NotImplementedError&) {  // not built: nothing to hold against it
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    result.error = text.substr(0, text.find('\n'));
  }
  return result;
}

std::string cell(const SelftestResult& result) {
  if (!result.error.empty()) return "error";
  if (result.configurations == 0) return "-";
  return fmt::format("{:.2f}{}", result.worst, result.passed() ? "" : " FAILED");
}

}  // namespace

std::vector<SelftestResult> selftest(c10::Device device, const std::string& only,
                                     const std::function<void(const std::string&)>& say) {
  std::string line = fmt::format("{:<22}", "error / its bound");
  for (const Mode& mode : modes()) line += fmt::format("{:>10}", mode.name);
  say(line);
  std::vector<SelftestResult> results;
  for (const Map& map : maps()) {
    if (map.name.find(only) == std::string::npos) continue;
    line = fmt::format("{:<22}", map.name);
    for (const Mode& mode : modes()) {
      results.push_back(run_mode(map, mode, device));
      line += fmt::format("{:>10}", cell(results.back()));
    }
    say(line);
  }
  return results;
}

std::string selftest_summary(const std::vector<SelftestResult>& results) {
  int configurations = 0, groups = 0, absent = 0;
  std::string failures;
  for (const SelftestResult& result : results) {
    configurations += result.configurations;
    groups += result.configurations > 0;
    absent += result.configurations == 0 && result.error.empty();
    if (result.passed()) continue;
    failures += fmt::format(
        "\nfailed: {}, {}: {}", result.map, result.mode,
        result.error.empty() ? fmt::format("{:.3g} times its bound", result.worst) : result.error);
  }
  return fmt::format("{} configurations of {} maps and modes, {} not built: {}{}", configurations,
                     groups, absent, failures.empty() ? "all within their bounds" : "failures",
                     failures);
}

}  // namespace luna::bench
