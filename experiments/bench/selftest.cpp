#include "experiments/bench/selftest.h"

#include <ATen/CPUGeneratorImpl.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include "experiments/bench/gate.h"
#include "experiments/bench/selftest_inputs.h"
#include "experiments/bench/selftest_operators.h"
#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/internal.h"

namespace luna::bench {
namespace {

/// Attempts at a configuration: a scalar within a rounding of a kink of its map may rightly go to
/// either side, and then decides the error. Twice in a row it does not.
constexpr int kDraws = 2;

using Configurations = std::vector<Configuration>;

const Configuration kGrouped = {1, 4, 2, 70, 63, 64, 64, 8, 8, 8};
/// Heads that no pass inlines the map for.
const Configuration kLarge = {1, 1, 1, 7, 66, 128, 128, 4, 8, 6};
/// A table beyond the shared memory of a block.
const Configuration kManyKnots = {1, 2, 1, 9, 33, 64, 64, 2, 8, 1024};
/// More tokens than a strip has.
const Configuration kLong = {1, 1, 1, 1100, 1100, 16, 16, 2, 4, 4};
/// Head sizes as built and between, ragged tiles, grouped heads.
const Configurations kUsual = {
    {2, 2, 2, 33, 65, 32, 32, 4, 8, 6}, kGrouped, {1, 2, 1, 5, 130, 17, 40, 3, 5, 7}};

Configurations usual_and(const Configurations& more) {
  Configurations all = kUsual;
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// What is asked of a map beside its defaults.
struct Mode {
  std::string name;
  std::function<void(ops::Spec&)> change = [](ops::Spec&) {};
  bool masked = false;
  at::ScalarType dtype = at::kFloat;
  /// Whether operators take it at all.
  bool (*takes)(const ops::Spec&) = [](const ops::Spec&) { return true; };
  Form form = Form::whole;
  Configurations on = kUsual;
};

void make_causal(ops::Spec& spec) { spec.causal = true; }
/// Nothing that a later token would change can be.
bool can_be_causal(const ops::Spec& spec) {
  return spec.ch_rms_target == 0 && spec.feature_map != "cosformer";
}

bool takes_all(const ops::Spec&) { return true; }
/// Keeps denominators away from the roundings of half precision.
void raise_eps(ops::Spec& spec) { spec.eps = 0.5; }

/// Half precision with what reads it as it lies too: masks, chunks of causal calls, packed rows.
/// (Not causal, Performer's outputs of large heads are 1e-5, which is subnormal in float16.)
void add_half(const std::string& name, at::ScalarType dtype, std::vector<Mode>& all) {
  const Configurations whole = dtype == at::kHalf ? kUsual : usual_and({kLarge});
  const auto causal = [](ops::Spec& spec) {
    make_causal(spec);
    raise_eps(spec);
  };
  all.push_back({name, raise_eps, false, dtype, takes_all, Form::whole, whole});
  all.push_back({name + " masked", raise_eps, true, dtype, takes_all, Form::whole, {kGrouped}});
  all.push_back(
      {name + " causal", causal, false, dtype, can_be_causal, Form::whole, {kGrouped, kLarge}});
  all.push_back({name + " packed", raise_eps, true, dtype, takes_all, Form::packed, {kGrouped}});
}

std::vector<Mode> make_modes() {
  const auto as_it_is = [](ops::Spec&) {};
  std::vector<Mode> all = {
      {"plain", as_it_is, false, at::kFloat, takes_all, Form::whole, usual_and({kLong, kLarge})},
      {"masked", as_it_is, true},
      {"clamped",
       [](ops::Spec& spec) {
         spec.denominator = "clamp_min";
         spec.eps = 1e-3;
       }},
      {"causal", make_causal, false, at::kFloat, can_be_causal, Form::whole, usual_and({kLarge})},
      {"packed", as_it_is, true, at::kFloat, takes_all, Form::packed},
      {"decoded", make_causal, false, at::kFloat, can_be_causal, Form::decoded}};
  add_half("bf16", at::kBFloat16, all);
  add_half("f16", at::kHalf, all);
  return all;
}

const std::vector<Mode>& modes() {
  static const std::vector<Mode> all = make_modes();
  return all;
}

/// A map under its options.
struct Map {
  std::string name;
  ops::Spec spec;
  Configurations on = {};  ///< in place of the mode's
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
                          learned("ch_rms", [](ops::Spec& spec) { spec.ch_rms_target = 0.1; }),
                          learned("1024 knots", [](ops::Spec& spec) { spec.psi = "pwl"; })};
  all.back().on = {kManyKnots};
  for (const std::string& name : ops::fixed_map_variants()) {
    all.push_back({name, {}});
    all.back().spec.feature_map = name;
  }
  return all;
}

/// Sequences of two sizes and an empty one in the one row.
at::Tensor offsets_of(int64_t N) {
  return at::tensor({int64_t{0}, N / 3, N / 3, N / 2, N}).to(at::kInt);
}

/// Largest error in units of its bound.
double compare(const ops::Spec& spec, const Mode& mode, Configuration c, c10::Device device) {
  double least = std::numeric_limits<double>::infinity();
  std::optional<at::Tensor> offsets;
  if (mode.form == Form::packed) {
    c.B = 1;
    c.Nq = c.N;
    offsets = offsets_of(c.N);
  }
  for (int k = 0; k < kDraws && least > 1; ++k) {
    std::optional<at::Tensor> mask;
    if (mode.masked) {
      mask = at::rand({c.B, c.N}, at::detail::createCPUGenerator(k)) < 0.7;
    }
    Inputs in = draw(spec, c, 7 + k);
    if (mode.form == Form::decoded) {
      const int64_t D = ops::feature_count({in.q, in.k, in.v, in.params, {}}, spec).expect_int();
      in.state = at::zeros({c.B, c.Hk, D, c.dv});
      in.norm = at::zeros({c.B, c.Hk, D});
    }
    const GateResult result =
        check(through(operator_of(spec, mode.form, mask, offsets), device), in, mode.dtype);
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
    for (const Configuration& c : map.on.empty() ? mode.on : map.on) {
      result.worst = std::max(result.worst, compare(spec, mode, c, device));
      result.configurations++;
    }
  } catch (const c10::NotImplementedError& error) {  // nothing to hold against the kernels
    result.not_built = first_line(error);
  } catch (const c10::Error& error) {
    result.error = first_line(error);
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
  std::string head = fmt::format("{:<22}", "error / its bound");
  for (const Mode& mode : modes()) head += fmt::format("{:>13}", mode.name);
  std::vector<SelftestResult> results;
  for (const Map& map : maps()) {
    if (map.name.find(only) == std::string::npos) continue;
    if (results.empty()) say(head);
    std::string line = fmt::format("{:<22}", map.name);
    for (const Mode& mode : modes()) {
      results.push_back(run_mode(map, mode, device));
      line += fmt::format("{:>13}", cell(results.back()));
    }
    say(line);
  }
  return results;
}

std::string selftest_summary(const std::vector<SelftestResult>& results) {
  int configurations = 0, groups = 0, absent = 0;
  std::string failures, not_built;
  for (const SelftestResult& result : results) {
    configurations += result.configurations;
    groups += result.configurations > 0;
    absent += result.configurations == 0 && result.error.empty();
    if (!result.not_built.empty()) {
      not_built +=
          fmt::format("\nnot built: {}, {}: {}", result.map, result.mode, result.not_built);
    }
    if (result.passed()) continue;
    failures += fmt::format(
        "\nfailed: {}, {}: {}", result.map, result.mode,
        result.error.empty() ? fmt::format("{:.3g} times its bound", result.worst) : result.error);
  }
  return fmt::format(
      "{} configurations of {} maps and modes, {} not offered: {}{}{}", configurations, groups,
      absent, failures.empty() ? "all within their bounds" : "failures", failures, not_built);
}

}  // namespace luna::bench
