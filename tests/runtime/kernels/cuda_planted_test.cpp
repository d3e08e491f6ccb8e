// Bugs planted in the PTX of this library's own kernels, one at a time and wherever such a bug can
// be: the interpreter reports it, or the comparison with float64 sees it. What survives changes
// nothing: a barrier with another one beside it, an element that equals its neighbour (padding), a
// guard that holds for every token of the case.
#include <fmt/format.h>

#include <regex>
#include <sstream>

#include "runtime/kernels/registry.h"
#include "runtime/ops/attention.h"
#include "tests/support/compare.h"
#include "tests/support/poison.h"
#include "tests/support/ptx/driver.h"

namespace luna::test {
namespace {

using Lines = std::vector<std::string>;
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

/// Every kernel of one case, and what the case should be: in float32 the float64 reference; in half
/// precision, whose rounding would hide much, every bit of what the kernels give without a bug.
class Garden {
 public:
  Garden(const std::string& map, at::ScalarType dtype) : dtype_(dtype) {
    case_ = small_case(map);
    case_.shape = {1, 1, 1, 70, 40, 24, 20, 5, 8, 16};
    if (half()) case_.shape = {1, 1, 1, 270, 70, 32, 32, 16, 8, 99};
    case_.mask = MaskKind::random;
    if (case_.spec.learned()) case_.spec.psi = "pwl";
    in_ = make_inputs(case_);
    grad_ = make_grad(case_);
    edit_ptx([&](const std::string& text) {
      kernels_[entry_of(text)] = split(text);
      return text;
    });
    right_ = results();
    edit_ptx({});
    if (half()) return;
    right_ = test::run(in_, case_.spec, grad_, Through::reference, at::kDouble).tensors;
    scale_ = test::run(in_, case_.spec, grad_, Through::numerator, at::kDouble).tensors;
  }

  const std::map<std::string, Lines>& kernels() const { return kernels_; }

  enum class Outcome { survives, seen, reported };
  Outcome run(const std::string& kernel, const Plant& plant) const {
    const std::string wrong = planted(kernels_.at(kernel), plant);
    edit_ptx([&](const std::string& text) { return entry_of(text) == kernel ? wrong : text; });
    Outcome outcome = Outcome::survives;
    try {
      const std::vector<at::Tensor> given = results();
      for (size_t i = 0; i < given.size(); i++) {
        const bool right = half() ? bool(same_bits(given[i], right_[i]))
                                  : error(given[i], right_[i], scale_[i]).max <= kFloorParams;
        if (!right) outcome = Outcome::seen;
      }
    } catch (const c10::Error&) {
      outcome = take_ptx_error().empty() ? Outcome::seen : Outcome::reported;
    }
    edit_ptx({});
    return outcome;
  }

 private:
  bool half() const { return dtype_ != at::kFloat; }

  std::vector<at::Tensor> results() const {
    std::vector<at::Tensor> all = test::run(in_, case_.spec, grad_, Through::fused, dtype_).tensors;
    if (!half()) return all;
    ops::Inputs in = move_to(in_, fused_device());
    for (at::Tensor* x : {&in.q, &in.k, &in.v}) *x = x->to(dtype_);
    const kernels::Forward inside = ops::attention_forward(in, case_.spec);
    for (const at::Tensor* x : {&inside.o, &inside.den, &inside.S, &inside.z}) {
      all.push_back(x->cpu());
    }
    return all;
  }

  static std::string entry_of(const std::string& text) {
    static const std::regex entry("\\.entry (\\w+)");
    std::smatch m;
    return std::regex_search(text, m, entry) ? m.str(1) : "";
  }

  Case case_;
  ops::Inputs in_;
  at::Tensor grad_;
  at::ScalarType dtype_;
  std::vector<at::Tensor> right_, scale_;
  std::map<std::string, Lines> kernels_;
};

class PlantedBug : public ::testing::TestWithParam<std::tuple<std::string, at::ScalarType>> {
 protected:
  static void SetUpTestSuite() {
    ASSERT_TRUE(fused_device().is_cuda()) << "set LUNA_TEST_DEVICE=cuda:0";
    poison_fresh_memory();
    limit_ptx_instructions(3'000'000);
  }
  static void TearDownTestSuite() { limit_ptx_instructions(10'000'000'000); }
};

TEST_P(PlantedBug, IsCaughtInEveryKernel) {
  const auto& [map, dtype] = GetParam();
  const bool half = dtype != at::kFloat;
  if (half && !kernels::find_pipeline("grad_pwl8_32_bf16_cuda")) GTEST_SKIP() << "no nvcc";
  const Garden garden(map, dtype);
  ASSERT_GE(garden.kernels().size(), 3u);
  for (const auto& [kernel, lines] : garden.kernels()) {
    if (half && kernel.find("_bf16") == std::string::npos) continue;  // Halide's, planted elsewhere
    for (const Kind& kind : kKinds) {
      int caught = 0, reported = 0;
      const std::vector<Plant> plants = sample(kind.plants(lines));
      for (const Plant& plant : plants) {
        const Garden::Outcome outcome = garden.run(kernel, plant);
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

const auto kFloats = ::testing::Values(at::kFloat);
INSTANTIATE_TEST_SUITE_P(Maps, PlantedBug,
                         ::testing::Combine(::testing::Values("luna", "elu", "performer"),
                                            kFloats));
INSTANTIATE_TEST_SUITE_P(TensorCores, PlantedBug,
                         ::testing::Combine(::testing::Values("luna"),
                                            ::testing::Values(at::kBFloat16)));

}  // namespace
}  // namespace luna::test
