// Bugs planted in the PTX of this library's own kernels, one at a time and wherever such a bug can
// be: the interpreter reports it, or the comparison with float64 sees it. What survives changes
// nothing: a barrier with another one beside it, an element that equals its neighbour (padding), a
// guard without which no thread stores more. That is counted: every other guard is caught.
#include <fmt/format.h>

#include <optional>
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
    plants.push_back({{a.line, fmt::format("{0}{1}{0}", exchange, lines[a.line])}});
  }
  return plants;
}

/// Whether line i is taken by those alone whose predicate did not send them to the next line.
bool is_else(const Lines& lines, size_t i) {
  static const std::regex branch("@\\S+\\s+bra\\s+(\\S+);");
  std::smatch m;
  return i > 0 && i + 1 < lines.size() && std::regex_search(lines[i - 1], m, branch) &&
         lines[i + 1].rfind(m.str(1) + ":", 0) == 0;
}

/// No branch of some threads past a store to global memory. Branches around a trap, or over a
/// phase, are no guards.
std::vector<Plant> missing_guards(const Lines& lines) {
  static const std::regex branch("(@\\S+\\s+)?bra(?:\\.uni)?\\s+(\\S+);"), store("st\\.global");
  static const std::regex other("trap|bar\\.sync");
  std::vector<Plant> plants;
  for (size_t i = 0; i < lines.size(); i++) {
    std::smatch m;
    if (!std::regex_search(lines[i], m, branch)) continue;
    if (!m[1].matched && !is_else(lines, i)) continue;
    bool stores = false;
    for (size_t k = i + 1; k < lines.size() && !std::regex_search(lines[k], other); k++) {
      stores = stores || std::regex_search(lines[k], store);
      if (lines[k].rfind(m.str(2) + ":", 0) != 0) continue;
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
  double caught[2];  ///< least share of them; of guards, of those without which threads store more
  /// Least share of the caught ones that the interpreter reports: of Halide's kernels, then on
  /// tensor cores of heads of 32 and of 64, whose rows end where the next one begins.
  double reported[3];
};

// FAVOR+'s maximum cancels in the quotient: its kernel is where the fewest are seen.
const Kind kKinds[] = {{"removed barrier", removed_barriers, {0.5, 0.5}, {1.0, 1.0, 1.0}},
                       {"off by one", off_by_one, {0.75, 0.7}, {0.5, 0.2, 0.05}},
                       {"wrong lane", wrong_lane, {0.75, 0.6}, {0.0, 0.0, 0.0}},
                       {"missing guard", missing_guards, {1.0, 1.0}, {1.0, 1.0, 1.0}}};

/// Whether a pipeline is a sibling on tensor cores.
bool is_sibling(const std::string& name) {
  static const std::regex storage("_(bf16|f16|f32)_cuda$");
  return std::regex_search(name, storage);
}

Case masked_case(const std::string& map, const Shape& shape) {
  Case c = small_case(map);
  c.shape = shape;
  c.mask = MaskKind::random;
  if (c.spec.learned()) c.spec.psi = "pwl";
  return c;
}

/// Output and gradients of a map on Halide's passes; of LUNA psi as a table, or dense.
Subject attention(const std::string& map, int64_t queries, int64_t keys) {
  const bool dense = map == "dense";
  Case c = masked_case(dense ? "luna" : map, {1, 1, 1, queries, keys, 24, 20, 5, 8, 16});
  if (dense) c.spec.psi = "dense";
  const ops::Inputs in = make_inputs(c);
  const at::Tensor grad = make_grad(c);
  const Runs right = run_all(in, c.spec, grad);
  return {[=] { return run(in, c.spec, grad, Through::fused).tensors; }, right.exact.tensors,
          right.scale.tensors};
}

/// The same of 1, 2 and 3 tokens beyond whole groups of four, which have a guard each.
Subject tails(const std::string& map) {
  const std::vector<Subject> each = {attention(map, 69, 41), attention(map, 70, 42),
                                     attention(map, 71, 43)};
  Subject all;
  for (const Subject& one : each) {
    all.exact.insert(all.exact.end(), one.exact.begin(), one.exact.end());
    all.scale.insert(all.scale.end(), one.scale.begin(), one.scale.end());
  }
  all.run = [=] {
    std::vector<at::Tensor> results;
    for (const Subject& one : each) {
      for (const at::Tensor& x : one.run()) results.push_back(x);
    }
    return results;
  };
  return all;
}

/// A map on tensor cores, heads of 32 or 64: output and gradients, and the sums behind them before
/// they are rounded. LUNA's table once has more rows than the kernels' sums over them, once two
/// groups of projections.
Subject tensor_cores(const std::string& map, int64_t size, at::ScalarType dtype) {
  const bool large = dtype == at::kBFloat16;
  const Case c =
      masked_case(map, {1, 1, 1, 270, 70, size, size, large ? 16 : 20, 8, large ? 99 : 40});
  const ops::Inputs in = make_inputs(c);
  const at::Tensor grad = make_grad(c);
  const auto all = [=] {
    std::vector<at::Tensor> results = run(in, c.spec, grad, Through::fused, dtype).tensors;
    ops::Inputs there = move_to(in, fused_device());
    for (at::Tensor* x : {&there.q, &there.k, &there.v}) *x = x->to(dtype);
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
  void TearDown() override { kernels::hide_pipelines({}); }

  /// Of a map on tensor cores: what it is stored in; "" of Halide's passes.
  static std::string storage() {
    const size_t at = GetParam().find('_');
    return at == std::string::npos ? "" : GetParam().substr(at);
  }
  /// Of heads on tensor cores.
  static int64_t size() { return GetParam().find("64") == std::string::npos ? 32 : 64; }
  /// Whether its guards are planted where each of them holds a thread back.
  static bool has_tails() { return storage().empty() && GetParam() != "decoding"; }
  static Subject on_tensor_cores() {
    static const std::map<std::string, at::ScalarType> types{
        {"_bf16", at::kBFloat16}, {"_f16", at::kHalf}, {"_f32", at::kFloat}};
    const std::string map = GetParam().substr(0, GetParam().find(size() == 64 ? "64" : "_"));
    return tensor_cores(map, size(), types.at(storage()));
  }

  /// Halide's kernels are planted apart from their siblings; psi's need enough units to enter every
  /// loop.
  static bool is_planted(const std::string& kernel) {
    if (kernel.rfind("psi_", 0) == 0) return GetParam() == "luna_bf16";
    return kernel.find(storage()) != std::string::npos;
  }

  /// Plants, one after the other, and holds what became of them against the bounds.
  static void plant_all(const Garden& garden, const std::string& kernel, const Kind& kind) {
    const bool tensor = !storage().empty(), guards = kind.plants == &missing_guards;
    const Lines lines = split(garden.kernels().at(kernel));
    int caught = 0, reported = 0;
    size_t idle = 0;
    const std::vector<Plant> plants = sample(kind.plants(lines));
    for (const Plant& plant : plants) {
      const Garden::Trial trial = garden.run(kernel, planted(lines, plant));
      const bool survives = trial.outcome == Garden::Outcome::survives;
      caught += !survives;
      reported += trial.outcome == Garden::Outcome::reported;
      idle += survives && guards && trial.stores_as_often;
    }
    fmt::print("{:<34}{:<16}{:>4} planted, {:>4} reported, {:>4} seen in the result, {:>4} idle\n",
               kernel, kind.name, plants.size(), reported, caught - reported, idle);
    EXPECT_GE(caught, kind.caught[tensor] * static_cast<double>(plants.size() - idle))
        << kernel << ": " << kind.name;
    EXPECT_GE(reported, kind.reported[tensor ? size() / 32 : 0] * caught)
        << kernel << ": " << kind.name;
    if (guards && !plants.empty()) {
      EXPECT_LT(idle, has_tails() ? 1 : plants.size()) << kernel << ": guards that no thread needs";
    }
  }
};

TEST_P(PlantedBug, IsCaughtInEveryKernel) {
  const bool tensor = !storage().empty(), decodes = GetParam() == "decoding";
  if (tensor && !kernels::find_pipeline("grad_pwl8_32_bf16_cuda")) GTEST_SKIP() << "no nvcc";
  if (!tensor) kernels::hide_pipelines(is_sibling);
  const Garden garden(tensor    ? on_tensor_cores()
                      : decodes ? decoding()
                                : attention(GetParam(), 70, 40));
  std::optional<Garden> of_tails;
  if (has_tails()) of_tails.emplace(tails(GetParam()));
  ASSERT_GE(garden.kernels().size(), 3u);
  for (const auto& [kernel, text] : garden.kernels()) {
    if (!is_planted(kernel)) continue;
    for (const Kind& kind : kKinds) {
      // A step's lanes exchange terms of one sum alone: whose is which does not matter.
      if (kind.plants == &wrong_lane && decodes) continue;
      const bool guards = kind.plants == &missing_guards;
      plant_all(guards && of_tails ? *of_tails : garden, kernel, kind);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Subjects, PlantedBug,
                         ::testing::Values("luna", "dense", "elu", "performer", "decoding",
                                           "luna_bf16", "luna_f16", "luna_f32", "elu_bf16",
                                           "elu_f16", "relu_bf16", "relu2_f16", "identity_bf16",
                                           "luna64_bf16", "elu64_f16"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace luna::test
