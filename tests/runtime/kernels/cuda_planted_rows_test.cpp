// Bugs planted in the sources of the kernels over rows in memory (generators/attention/tensor/
// rows_*.cu), compiled as the build compiles them: each is caught.
#include <gtest/gtest.h>

#include <cmath>
#include <regex>

#include "experiments/autotune/shell.h"
#include "runtime/kernels/cuda/products.h"
#include "runtime/kernels/registry.h"
#include "tests/support/garden.h"
#include "tests/support/inputs.h"
#include "tests/support/temporary_folder.h"

namespace luna::test {
namespace {

namespace fs = std::filesystem;
using Results = std::function<std::vector<at::Tensor>()>;

constexpr const char* kSources = "generators/attention/tensor";
/// What a kernel is compiled from, and with.
const std::map<std::string, std::pair<std::string, std::string>> kKernels = {
    {"rows_apply_f32", {"rows_product.cu", "-DLUNA_BLOCKS=3 -DLUNA_BY_K=0"}},
    {"rows_gradient_f32", {"rows_product.cu", "-DLUNA_BLOCKS=3 -DLUNA_BY_K=1"}},
    {"rows_state_f32", {"rows_state.cu", "-DLUNA_BLOCKS=4"}},
    {"rows_scan_f64", {"rows_scan.cu", ""}},
    {"rows_gather", {"rows_gather.cu", ""}},
    {"rows_scatter", {"rows_scatter.cu", ""}}};

struct Bug {
  const char *name, *kernel, *file;
  const char *right, *wrong;  ///< text of the file
};

const Bug kBugs[] = {
    {"OwnTokenUnseen", "rows_apply_f32", "rows_product.cu",  //
     "if (rank(token) > rank(", "if (rank(token) >= rank("},
    {"NextTokenSeen", "rows_apply_f32", "rows_product.cu",  //
     "if (rank(token) > rank(", "if (rank(token) > 1 + rank("},
    {"ForwardForBackward", "rows_gradient_f32", "rows_product.cu",  //
     "a_.direction > 0 ? n : kRowsChunk - 1 - n", "n"},
    {"NextTilesUnseen", "rows_gradient_f32", "rows_product.cu",  //
     "Pairs{own, kTiles / 2}", "Pairs{own, kTiles / 2 - 1}"},
    {"NonFiniteValuesMultiplied", "rows_apply_f32", "rows_product.cu",  //
     "if (fabsf(*of[k]) <= kMostFinite) continue;", "continue;"},
    {"NonFiniteValuesForgotten", "rows_apply_f32", "rows_product.cu",  //
     "atomicMin(first_bad_ + i + k, rank);", ""},
    {"NonFiniteValuesSeenByAll", "rows_apply_f32", "rows_product.cu",  //
     "first_bad_[i] <= rank(n)", "first_bad_[i] < kRowsChunk"},
    {"NoBarrierBeforeColumns", "rows_apply_f32", "rows_product.cu",  //
     "__syncthreads();\n      columns.stage(", "columns.stage("},
    {"NoBarrierBehindColumns", "rows_gradient_f32", "rows_product.cu",  //
     "columns.stage(other, k, i, staged);\n      __syncthreads();",
     "columns.stage(other, k, i, staged);"},
    {"NoBarrierBeforeValues", "rows_apply_f32", "rows_product.cu",  //
     "__syncthreads();\n      staged.stage(", "staged.stage("},
    {"NoBarrierBehindValues", "rows_apply_f32", "rows_product.cu",  //
     "rank(k + row)); });\n      __syncthreads();", "rank(k + row)); });"},
    {"NoBarrierBeforeTokens", "rows_state_f32", "rows_state.cu",  //
     "__syncthreads();\n    left.stage(", "left.stage("},
    {"NoBarrierBehindTokens", "rows_state_f32", "rows_state.cu",  //
     "place.pairs);\n    __syncthreads();", "place.pairs);"},
    {"ElementsBeyondTheMatrixRead", "rows_apply_f32", "rows_tiles.cuh",  //
     "if (row >= rows || column >= columns) return make_float4(0, 0, 0, 0);", ""},
    {"RowsBeyondTheMatrixWritten", "rows_state_f32", "rows_tiles.cuh",  //
     "n >= a.out.rows || ", ""},
    {"ColumnsBeyondTheMatrixWritten", "rows_gradient_f32", "rows_tiles.cuh",  //
     " || place.i + i >= a.out.columns", ""},
    {"ElementsBeyondTheStateSummed", "rows_scan_f64", "rows_scan.cu",  //
     "if (i >= a.elements) return;", ""},
    {"ChunksBeyondTheLastSummed", "rows_scan_f64", "rows_scan.cu",  //
     "if (c + k >= a.chunks) break;", ""},
    {"OwnChunkSummedBefore", "rows_scan_f64", "rows_scan.cu",  //
     "static_cast<float>(sum);\n      sum += x[k];", "static_cast<float>(sum += x[k]);"},
    {"MaskedTokensGathered", "rows_gather", "rows_gather.cu",  //
     "there = there && weight != 0;", ""},
    {"TokensBeyondTheLastGathered", "rows_gather", "token_moves.cuh",  //
     "row < of.chunk && token < of.tokens", "row < of.chunk"},
    {"TokensBeyondTheLastScattered", "rows_scatter", "rows_scatter.cu",  //
     "if (!there) return;", ""},
    {"MaskedTokensGradientKept", "rows_scatter", "rows_scatter.cu",  //
     "dropped ? make_float4(0, 0, 0, 0)", "false ? x"},
    {"DenominatorWrittenByEveryLane", "rows_scatter", "rows_scatter.cu",  //
     "if (lane == 0) dens[", "dens["},
    {"WrongLaneOfScores", "rows_apply_f32", "rows_product.cu",  //
     "place_.lane % 4 * 2 + at % 2", "(place_.lane ^ 1) % 4 * 2 + at % 2"},
    {"WrongLaneOfFactors", "rows_apply_f32", "rows_product.cu",  //
     "4 * quad)", "4 * (quad ^ 1))"},
    {"WrongLaneStaged", "rows_gradient_f32", "rows_tiles.cuh",  //
     "row % 8 * 4 + four % 4", "row % 8 * 4 + (four % 4 ^ 1)"},
    {"WrongLaneOfColumns", "rows_gradient_f32", "rows_tiles.cuh",  //
     "tile) + threadIdx.x % kWarp", "tile) + (threadIdx.x % kWarp ^ 1)"},
    {"WrongLaneOfRows", "rows_apply_f32", "mma.cuh",  //
     "(first + lane % 16) * pitch", "(first + (lane ^ 1) % 16) * pitch"},
    {"WrongLaneWritten", "rows_state_f32", "rows_tiles.cuh",  //
     "place.lane % 4 * 2;", "(place.lane ^ 1) % 4 * 2;"},
    {"WrongLaneOfTheTotal", "rows_scan_f64", "rows_scan.cu",  //
     "a.total + int64_t{b} * a.elements + i", "a.total + int64_t{b} * a.elements + (i ^ 1)"},
    {"WrongLaneOfTheSum", "rows_gather", "rows_gather.cu",  //
     "sum, apart)", "sum, 1)"},
    {"WrongLaneGathered", "rows_gather", "rows_gather.cu",  //
     "a.rows.data + to + column", "a.rows.data + to + (column ^ 4)"},
    {"WrongLaneScattered", "rows_scatter", "rows_scatter.cu",  //
     "a.rows.data + from + column", "a.rows.data + from + (column ^ 4)"}};

void PrintTo(const Bug& bug, std::ostream* out) { *out << bug.right << " -> " << bug.wrong; }

/// Products and a scan of sizes that are no whole blocks.
Results of_odd_sizes() {
  using namespace kernels::cuda;
  const auto draw = [](at::IntArrayRef shape) { return at::randn(shape).to(fused_device()); };
  const at::Tensor a = draw({2, 37, 68}), columns = draw({2, 37, 36}), c = draw({2, 70, 48});
  const at::Tensor by_i = draw({2, 48, 84}), by_k = draw({2, 84, 48}), states = draw({2, 5, 84});
  return [=] {
    const HeadMap own{1, 1, 1};
    const at::Tensor total = at::zeros({2, 84}, states.options().dtype(at::kDouble));
    const at::Tensor before = scan(kDevice, states, total, /*reverse=*/false, /*tokens=*/1);
    std::vector<at::Tensor> all = {outer_product(kDevice, a, columns),
                                   combine(kDevice, c, by_i, own), dots(kDevice, c, by_k, own),
                                   before, total};
    for (at::Tensor& x : all) x = x.cpu();
    return all;
  };
}

/// Causal attention and its gradients over a chunk and a tail, some keys masked; twice, the second
/// time with values that are not finite: one that later tokens see, and a masked token's.
Results causal_attention() {
  Case c = small_case("elu");
  c.shape = {1, 2, 1, 70, 70, 20, 24, 1, 1, 1};
  c.spec.causal = true;
  ops::Inputs in = make_inputs(c);
  const at::Tensor grad = make_grad(c);
  in.key_mask = at::ones({1, 70}, at::kBool);
  for (const int masked : {7, 40, 66}) in.key_mask->select(1, masked).fill_(false);
  ops::Inputs bad = in;
  for (at::Tensor* x : {&bad.q, &bad.k, &bad.v}) *x = x->clone();
  bad.v.select(2, 20).select(2, 3).fill_(INFINITY);
  bad.k.select(2, 67).fill_(NAN);
  for (at::Tensor* x : {&bad.k, &bad.v}) x->select(2, 40).fill_(NAN);
  return [=] {
    std::vector<at::Tensor> all;
    for (const ops::Inputs& inputs : {in, bad}) {
      for (const at::Tensor& x : run(inputs, c.spec, grad, Through::fused).tensors) {
        all.push_back(x);
      }
    }
    return all;
  };
}

Subject rows() {
  const auto join = [causal = causal_attention(), odd = of_odd_sizes()] {
    std::vector<at::Tensor> all = causal();
    for (const at::Tensor& x : odd()) all.push_back(x);
    return all;
  };
  return {join, {}, {}};
}

class PlantedRowsBug : public ::testing::TestWithParam<Bug> {
 protected:
  static void SetUpTestSuite() { Garden::open(); }
  static void TearDownTestSuite() { Garden::close(); }

  void SetUp() override {
    if (!kernels::find_pipeline("rows_apply_f32_cuda") || !fs::exists(LUNA_NVCC)) {
      GTEST_SKIP() << "no nvcc";
    }
  }

  /// Never destroyed: its tensors may outlive nothing of torch's.
  static const Garden& garden() {
    static const auto* const one = new Garden(rows());
    return *one;
  }

  /// The PTX of the kernel with the bug.
  static std::string compiled(const Bug& bug) {
    const fs::path sources = fs::path(LUNA_SOURCES) / kSources;
    std::string text = luna::testing::read_text(sources / bug.file);
    const size_t at = text.find(bug.right);
    EXPECT_NE(at, std::string::npos) << bug.file << " has no longer: " << bug.right;
    EXPECT_EQ(text.find(bug.right, at + 1), std::string::npos) << "more than once: " << bug.right;
    text.replace(at, std::string(bug.right).size(), bug.wrong);
    const luna::testing::TemporaryFolder folder;
    const fs::path wrong = folder.path() / kSources / bug.file;
    luna::testing::write_text(wrong, text);
    const auto& [source, defines] = kKernels.at(bug.kernel);
    const std::string ptx = (folder.path() / "wrong.ptx").string();
    std::vector<std::string> command = {LUNA_NVCC};
    std::istringstream flags(LUNA_NVCC_FLAGS " " + defines);
    for (std::string flag; flags >> flag;) command.push_back(flag);
    command.insert(command.end(), {"-I" + folder.path().string(), "-I" LUNA_SOURCES,
                                   "-DLUNA_KERNEL=" + std::string(bug.kernel)});
    command.push_back(source == bug.file ? wrong.string() : (sources / source).string());
    command.insert(command.end(), {"-o", ptx});
    const autotune::Output output = autotune::run_program(command);
    EXPECT_EQ(output.status, 0) << output.text;
    static const std::regex hint("\n[ \t]*\\.pragma \"used_bytes_mask [^\n]*");
    return std::regex_replace(luna::testing::read_text(ptx), hint, "");
  }
};

TEST_P(PlantedRowsBug, IsCaught) {
  const Bug& bug = GetParam();
  const std::string wrong = compiled(bug);
  ASSERT_FALSE(HasFailure());
  const Garden::Outcome outcome = garden().run(bug.kernel, wrong).outcome;
  EXPECT_NE(outcome, Garden::Outcome::survives);
  if (std::string(bug.name).rfind("NoBarrier", 0) == 0) {
    EXPECT_EQ(outcome, Garden::Outcome::reported) << "a race is more than another result";
  }
}

/// Compiled here, a kernel without a bug passes: what is caught is the bug.
TEST_F(PlantedRowsBug, IsNone) {
  for (const auto& [kernel, source] : kKernels) {
    const Bug none{"", kernel.c_str(), source.first.c_str(),
                   "namespace luna::tensor {\nnamespace {",
                   "namespace luna::tensor {\nnamespace {"};
    EXPECT_EQ(garden().run(kernel, compiled(none)).outcome, Garden::Outcome::survives) << kernel;
  }
}

INSTANTIATE_TEST_SUITE_P(Sources, PlantedRowsBug, ::testing::ValuesIn(kBugs),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace luna::test
