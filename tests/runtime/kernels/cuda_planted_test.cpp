// Bugs planted in the PTX of this library's own kernels, one at a time and wherever such a bug can
// be: the interpreter reports it, or the comparison with float64 sees it. What survives changes
// nothing: a barrier with another one beside it, an element that equals its neighbour (padding), a
// guard that holds for every token of the case.
#include <fmt/format.h>

#include <regex>
#include <sstream>

#include "runtime/kernels/registry.h"
#include "runtime/ops/attention.h"
#include "runtime/ops/reference.h"
#include "tests/support/compare.h"
#include "tests/support/decode.h"
#include "tests/support/garden.h"

namespace luna::test {
namespace {

using Lines = std::vector<std::string>;  ///< of a module
/// Lines by their number that are wrong in place of right ones, empty ones to remove them.
using Plant = std::map<size_t, std::string>;

Lines split(const std::string& text) {
  Lines lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string planted(const Lines& lines, const Plant& plant) {
  std::string text;
  for (size_t i = 0; i < lines.size(); i++) {
    const auto wrong = plant.find(i);
    text += (wrong == plant.end() ? lines[i] : wrong->second) + "\n";
  }
  return text;
}

/// No barrier between two accesses to shared memory.
std::vector<Plant> removed_barriers(const Lines& lines) {
  static const std::regex shared("(ld|st)\\.shared"), barrier("bar\\.sync");
  std::vector<Plant> plants;
  bool accessed = false, in_run = false;
  for (size_t i = 0; i < lines.size(); i++) {
    if (std::regex_search(lines[i], shared)) {
      accessed = true;
      in_run = false;
    } else if (accessed && std::regex_search(lines[i], barrier)) {
      if (!in_run) plants.emplace_back();
      plants.back()[i] = "";
      in_run = true;
    }
  }
  return plants;
}

/// Accesses to shared memory: text before the offset, bytes of an element, address, offset.
struct Access {
  size_t line;
  std::string before, address, after;
  int bytes, offset;
};

std::vector<Access> shared_accesses(const Lines& lines) {
  static const std::regex pattern(
      "(.*(?:ld|st)\\.shared(?:\\.v(\\d))?\\.[bfu](\\d+).*\\[)(%\\w+)(?:\\+(\\d+))?(\\].*)");
  std::vector<Access> accesses;
  for (size_t i = 0; i < lines.size(); i++) {
    std::smatch m;
    if (!std::regex_match(lines[i], m, pattern)) continue;
    const int count = m[2].matched ? std::stoi(m[2]) : 1;
    accesses.push_back(
        {i, m[1], m[4], m[6], count * std::stoi(m[3]) / 8, m[5].matched ? std::stoi(m[5]) : 0});
  }
  return accesses;
}

/// One element further.
std::vector<Plant> off_by_one(const Lines& lines) {
  std::vector<Plant> plants;
  for (const Access& a : shared_accesses(lines)) {
    plants.push_back(
        {{a.line, fmt::format("{}{}+{}{}", a.before, a.address, a.offset + a.bytes, a.after)}});
  }
  return plants;
}

/// What its neighbour among the lanes accesses.
std::vector<Plant> wrong_lane(const Lines& lines) {
  std::vector<Plant> plants;
  for (const Access& a : shared_accesses(lines)) {
    const char* const width = a.address.rfind("%rd", 0) == 0 ? "b64" : "b32";
    const std::string exchange = fmt::format("xor.{0} {1}, {1}, {2};", width, a.address, a.bytes);
    plants.push_back({{a.line, exchange + lines[a.line] + exchange}});
  }
  return plants;
}

/// No branch past a store to global memory. Branches around a trap, or over a phase, are no guards.
std::vector<Plant> missing_guards(const Lines& lines) {
  static const std::regex branch("bra(?:\\.uni)?\\s+(\\S+);"), store("st\\.global");
  static const std::regex other("trap|bar\\.sync");
  std::vector<Plant> plants;
  for (size_t i = 0; i < lines.size(); i++) {
    std::smatch m;
    if (!std::regex_search(lines[i], m, branch)) continue;
    bool stores = false;
    for (size_t k = i + 1; k < lines.size() && !std::regex_search(lines[k], other); k++) {
      stores = stores || std::regex_search(lines[k], store);
      if (lines[k].rfind(m.str(1) + ":", 0) != 0) continue;
      if (stores) plants.push_back({{i, ""}});
      break;
    }
  }
  return plants;
}

/// At most so many, from everywhere.
std::vector<Plant> sample(const std::vector<Plant>& plants) {
  constexpr size_t kMost = 24;
  const size_t step = (plants.size() + kMost - 1) / kMost;
  std::vector<Plant> some;
  for (size_t i = 0; i < plants.size(); i += step) some.push_back(plants[i]);
  return some;
}

/// Shares for Halide's kernels, and for those on tensor cores: the loads of a loop that most tables
/// do not enter survive there, and rows that end in padding hide an offset from the interpreter.
struct Kind {
  const char* name;
  std::vector<Plant> (*plants)(const Lines&);
  double caught[2];    ///< least share of them
  double reported[2];  ///< least share of the caught ones that the interpreter reports
};

// FAVOR+'s maximum cancels in the quotient: its kernel is where the fewest are seen.
const Kind kKinds[] = {{"removed barrier", removed_barriers, {0.5, 0.5}, {1.0, 1.0}},
                       {"off by one", off_by_one, {0.75, 0.7}, {0.5, 0.2}},
                       {"wrong lane", wrong_lane, {0.75, 0.6}, {0.0, 0.0}},
                       {"missing guard", missing_guards, {0.2, 0.2}, {0.5, 0.0}}};

Case masked_case(const std::string& map, const Shape& shape) {
  Case c = small_case(map);
  c.shape = shape;
  c.mask = MaskKind::random;
  if (c.spec.learned()) c.spec.psi = "pwl";
  return c;
}

/// Output and gradients of a map; LUNA's dense psi, whose passes are Halide's in any build.
Subject attention(const std::string& map) {
  Case c = masked_case(map, {1, 1, 1, 70, 40, 24, 20, 5, 8, 16});
  if (c.spec.learned()) c.spec.psi = "dense";
  const ops::Inputs in = make_inputs(c);
  const at::Tensor grad = make_grad(c);
  const Runs right = run_all(in, c.spec, grad);
  return {[=] { return run(in, c.spec, grad, Through::fused).tensors; }, right.exact.tensors,
          right.scale.tensors};
}

/// A map in bfloat16: output and gradients, and the sums behind them before they are rounded.
Subject tensor_cores(const std::string& map) {
  const Case c = masked_case(map, {1, 1, 1, 270, 70, 32, 32, 16, 8, 99});
  const ops::Inputs in = make_inputs(c);
  const at::Tensor grad = make_grad(c);
  const auto all = [=] {
    std::vector<at::Tensor> results = run(in, c.spec, grad, Through::fused, at::kBFloat16).tensors;
    ops::Inputs there = move_to(in, fused_device());
    for (at::Tensor* x : {&there.q, &there.k, &there.v}) *x = x->to(at::kBFloat16);
    const kernels::Forward inside = ops::attention_forward(there, c.spec);
    for (const at::Tensor* x : {&inside.o, &inside.den, &inside.S, &inside.z}) {
      results.push_back(x->cpu());
    }
    return results;
  };
  return {all, {}, {}};
}

/// Output and state of a decoding step.
Subject decoding() {
  Case c = small_case("elu");
  c.shape = {3, 4, 2, 1, 1, 16, 20, 1, 1, 1};
  const ops::Inputs in = make_inputs(c);
  const at::Tensor state = at::randn({3, 2, 16, 20}), norm = at::rand({3, 2, 16}) + 1.0;
  ops::Inputs wide = in;
  for (at::Tensor* x : {&wide.q, &wide.k, &wide.v}) *x = x->to(at::kDouble);
  ops::DecodeState after{state.to(at::kDouble), norm.to(at::kDouble)};
  const at::Tensor out = ops::reference_decode_step(wide, c.spec, after).squeeze(2);
  const std::vector<at::Tensor> exact = {out, after.state, after.norm};
  const auto step = [=] {
    const at::Tensor S = state.to(fused_device()), z = norm.to(fused_device());
    const at::Tensor given = decode_step(in, c.spec, 0, S, z);
    return std::vector<at::Tensor>{given, S.to(c10::kCPU), z.to(c10::kCPU)};
  };
  return {step, exact, exact};
}

class PlantedBug : public ::testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() { Garden::open(); }
  static void TearDownTestSuite() { Garden::close(); }
};

TEST_P(PlantedBug, IsCaughtInEveryKernel) {
  const bool half = GetParam().find("_bf16") != std::string::npos;
  if (half && !kernels::find_pipeline("grad_pwl8_32_bf16_cuda")) GTEST_SKIP() << "no nvcc";
  // A step's lanes exchange terms of one sum alone: whose is which does not matter.
  const bool one_sum = GetParam() == "decoding";
  const Garden garden(half      ? tensor_cores(GetParam().substr(0, GetParam().find('_')))
                      : one_sum ? decoding()
                                : attention(GetParam()));
  ASSERT_GE(garden.kernels().size(), 3u);
  for (const auto& [kernel, text] : garden.kernels()) {
    const Lines lines = split(text);
    // Halide's kernels are planted elsewhere; psi's need enough units to enter every loop.
    const bool psi = kernel.rfind("psi_", 0) == 0, bf16 = kernel.find("_bf16") != std::string::npos;
    if (half ? !psi && !bf16 : psi) continue;
    for (const Kind& kind : kKinds) {
      if (kind.plants == &wrong_lane && one_sum) continue;
      int caught = 0, reported = 0;
      const std::vector<Plant> plants = sample(kind.plants(lines));
      for (const Plant& plant : plants) {
        const Garden::Outcome outcome = garden.run(kernel, planted(lines, plant));
        caught += outcome != Garden::Outcome::survives;
        reported += outcome == Garden::Outcome::reported;
      }
      fmt::print("{:<34}{:<16}{:>4} planted, {:>4} reported, {:>4} seen in the result\n", kernel,
                 kind.name, plants.size(), reported, caught - reported);
      EXPECT_GE(caught, kind.caught[half] * static_cast<double>(plants.size()))
          << kernel << ": " << kind.name;
      EXPECT_GE(reported, kind.reported[half] * caught) << kernel << ": " << kind.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Subjects, PlantedBug,
                         ::testing::Values("luna", "elu", "performer", "decoding", "luna_bf16",
                                           "elu_bf16"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace luna::test
