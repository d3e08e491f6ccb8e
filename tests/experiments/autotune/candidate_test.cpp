// A candidate from its parameters to a pipeline that operators call, and a whole small tuning run.
#include "experiments/autotune/candidate.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <limits>

#include "experiments/autotune/tuner.h"
#include "experiments/bench/gate.h"
#include "tests/support/temporary_folder.h"

namespace luna::autotune {
namespace {

using luna::testing::TemporaryFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kEndless = std::numeric_limits<double>::infinity();
const Tools kTools{LUNA_GENERATORS, LUNA_COMPILER};

Tunable tile_product() {
  Tunable one = read_tunables(LUNA_TUNABLES, "cpu", "tile_product").front();
  one.space = {{"tokens", {0, 4}}, {"unroll", {1, 2}}, {"vectors", {0}}};
  return one;
}

Tunable two_schedules() {
  Tunable one = tile_product();
  one.space = {{"tokens", {0}}, {"unroll", {1, 2}}, {"vectors", {0}}};
  return one;
}

TunerOptions quiet_options(const std::filesystem::path& folder) {
  TunerOptions options;
  options.tools = kTools;
  options.folder = folder;
  options.say = [](const std::string&) {};
  return options;
}

/// Made once for all tests.
const Workloads& calls() {
  static const Workloads all = workloads(c10::kCPU);
  return all;
}

TEST(Candidate, IsAPipelineLikeTheBuilds) {
  const TemporaryFolder folder;
  const Tunable one = tile_product();
  const Parameters parameters = one.candidates().back();
  const Candidate candidate = candidate_at(folder.path(), one, parameters);
  ASSERT_EQ(compile(kTools, one, parameters, candidate), "");
  kernels::replace_pipeline(one.pipeline, load(candidate));
  for (const bench::Operator& op : bench::operators()) {
    EXPECT_TRUE(bench::check(op, {"", 1, 1, 50, 32, 4, 8, 8}, true).passed()) << op.name;
  }
  kernels::replace_pipeline(one.pipeline, nullptr);
}

TEST(Candidate, ThatCannotBeSaysWhy) {
  const TemporaryFolder folder;
  const Tunable one = tile_product();
  const Parameters parameters = {{"tokens", 3}};
  EXPECT_THAT(compile(kTools, one, parameters, candidate_at(folder.path(), one, parameters)),
              HasSubstr("its generator refuses: "));
}

TEST(Workload, IsNotRunForAPipelineThatItDoesNotLookUp) {
  int calls = 0;
  const Workload one{nullptr, {}, [&] { ++calls; }, {"tile_product"}};
  EXPECT_FALSE(runs(one, "tile_state_add"));
  EXPECT_EQ(calls, 0);
  EXPECT_FALSE(runs(one, "tile_product")) << "looked up, and not called";
  EXPECT_EQ(calls, 1);
}

/// Seconds that are known: the candidate with unroll = 2 is the faster one.
TEST(Tuner, FindsTheFasterScheduleAndGoesOnAfterAnInterruption) {
  const TemporaryFolder folder;
  const Tunable one = tile_product();
  TunerOptions options = quiet_options(folder.path());
  const kernels::Pipeline usual = kernels::find_pipeline(one.pipeline);
  kernels::Pipeline fast = nullptr;
  options.clock = [&](const std::function<void()>&) {
    const kernels::Pipeline now = kernels::find_pipeline(one.pipeline);
    return now == fast ? 0.5 : 1.0;
  };
  std::vector<std::string> said;
  options.say = [&](const std::string& line) { said.push_back(line); };
  const auto file = folder.path() / "state.json";
  State state(file, "key");
  compile_all(options, {one}, kEndless, state);
  fast = load(candidate_at(folder.path(), one, one.candidates()[1]));
  const auto tuned = tune_all(options, {one}, calls(), 0, state);
  ASSERT_EQ(tuned.size(), 1u);
  EXPECT_EQ(tuned[0].chosen, one.candidates()[1]);
  EXPECT_DOUBLE_EQ(tuned[0].verdict.ratio, 0.5);
  EXPECT_EQ(kernels::find_pipeline(one.pipeline), usual) << "nothing stays replaced";
  State again(file, "key");
  options.clock = [](const std::function<void()>&) -> double {
    throw std::logic_error("timed again");
  };
  EXPECT_EQ(tune_all(options, {one}, calls(), 0, again)[0].chosen, one.candidates()[1]);
}

/// (Death stands for a crash: at the size that is timed alone, on a GPU more heads than are
/// checked.)
TEST(Tuner, SettlesACandidateThatDiesWhereItIsTimed) {
  const TemporaryFolder folder;
  const Tunable one = two_schedules();
  TunerOptions options = quiet_options(folder.path());
  kernels::Pipeline deadly = nullptr;
  options.clock = [&](const std::function<void()>&) {
    if (kernels::find_pipeline(one.pipeline) == deadly) throw std::runtime_error("died");
    return 1.0;
  };
  const auto file = folder.path() / "state.json";
  State state(file, "key");
  compile_all(options, {one}, kEndless, state);
  const Parameters second = one.candidates()[1];
  deadly = load(candidate_at(folder.path(), one, second));
  EXPECT_THROW(tune_all(options, {one}, calls(), 0, state), std::runtime_error);
  State(file, "key").try_now(one.pipeline, text_of(second));  // it dies once more
  State last(file, "key");
  EXPECT_EQ(last.reason(one.pipeline, text_of(second)), "it killed the process twice");
  EXPECT_EQ(tune_all(options, {one}, calls(), 0, last)[0].chosen, one.defaults());
}

/// In the place of that candidate: a pipeline that leaves its outputs as they are.
void compile_to_nothing(const Candidate& candidate) {
  const TemporaryFolder folder;
  const auto source = folder.write(
      "nothing.cpp", "extern \"C\" int " + candidate.function + "_argv(void**) { return 0; }\n");
  const std::string command = std::string(LUNA_COMPILER) + " -shared -fPIC -o " +
                              candidate.library.string() + " " + source.string();
  ASSERT_EQ(std::system(command.c_str()), 0);
}

/// Whatever calls a pipeline there is, none is timed unchecked.
TEST(Tuner, ChecksWhatCallsAboutFewRowsAloneRun) {
  const TemporaryFolder folder;
  const Tunable one = two_schedules();
  TunerOptions options = quiet_options(folder.path());
  options.clock = [](const std::function<void()>&) { return 1.0; };
  State state(folder.path() / "state.json", "key");
  compile_all(options, {one}, kEndless, state);
  const Parameters second = one.candidates()[1];
  compile_to_nothing(candidate_at(folder.path(), one, second));
  const Workloads few_alone{{}, calls().all};
  const auto tuned = tune_all(options, {one}, few_alone, 0, state);
  ASSERT_EQ(tuned.size(), 2u);
  EXPECT_THAT(state.reason(one.pipeline, text_of(second)), HasSubstr("wrong: "));
}

/// A GPU that another process has taken meanwhile: what was measured stays.
TEST(Tuner, StopsBetweenPipelinesWhereTimingMeansNothing) {
  const TemporaryFolder folder;
  const Tunable one = two_schedules();
  Tunable other = read_tunables(LUNA_TUNABLES, "cpu", "tile_state_add").front();
  other.space = one.space;
  TunerOptions options = quiet_options(folder.path());
  options.clock = [](const std::function<void()>&) { return 1.0; };
  int asked = 0;
  options.before_timing = [&] {
    if (++asked == 2) throw std::runtime_error("busy");
  };
  State state(folder.path() / "state.json", "key");
  compile_all(options, {one, other}, kEndless, state);
  Workloads few;
  for (const Workload& workload : calls().all) {
    if (workload.call->op.name == "elu" && workload.call->d == 32) few.all.push_back(workload);
  }
  EXPECT_THROW(tune_all(options, {one, other}, few, 0, state), std::runtime_error);
  EXPECT_TRUE(state.done(one.pipeline));
  EXPECT_FALSE(state.done(other.pipeline));
  EXPECT_EQ(tune_all(options, {one, other}, few, 0, state).size(), 2u);
  EXPECT_EQ(asked, 3) << "not for what is done";
}

TEST(TunedCalls, DecodeWithGroupedHeadsAndRowsBeyondBlocks) {
  int64_t grouped = 0, ragged = 0;
  for (const Call& call : tuned_calls(c10::kCUDA)) {
    if (!call.op.decodes) continue;
    const bench::Size size = call.size(4, 100);
    EXPECT_EQ(size.key_heads(), 4);
    const bench::Inputs in = bench::draw_inputs(call.op, size, 1);
    EXPECT_EQ(in.q.size(1), 4 * call.group);
    EXPECT_EQ(in.k.size(1), 4);
    grouped += call.group > 1;
    ragged += in.state.size(2) % 16 != 0;
    EXPECT_TRUE(bench::check(call.op, size, call.causal).passed()) << call.op.name;
  }
  EXPECT_GE(grouped, 2);
  EXPECT_GE(ragged, 2);
}

/// Of other spaces or programs, another device or architecture, nothing stays.
TEST(Tuner, GoesOnFromTheSameBuildAlone) {
  const TemporaryFolder build, folder;
  const auto spaces = build.write("tunables.json", "[]"), program = build.path() / "predict";
  const auto key = [&](const char* device, const char* architecture) {
    return state_key({spaces, program}, device, architecture);
  };
  const auto begin = [&](const nlohmann::json& of) {
    State state = resume(folder.path(), of);
    state.finish("p");
    state.save();
    folder.write("p_at_unroll_1.so", "");
    folder.write("notes", "");
  };
  const auto goes_on = [&](const nlohmann::json& now) {
    const State state = resume(folder.path(), now);
    const bool compiled = std::filesystem::exists(folder.path() / "p_at_unroll_1.so");
    EXPECT_EQ(state.done("p"), state.resumed());
    EXPECT_EQ(compiled, state.resumed());
    EXPECT_TRUE(std::filesystem::exists(folder.path() / "notes")) << "no candidate";
    return state.resumed();
  };
  const nlohmann::json first = key("X", "");
  begin(first);
  EXPECT_TRUE(goes_on(key("X", "")));
  EXPECT_FALSE(goes_on(key("Y", "")));
  EXPECT_TRUE(resume(folder.path(), key("Y", "")).resumed());
  begin(first);
  EXPECT_FALSE(goes_on(key("X", "sm_90")));
  begin(first);
  build.write("tunables.json", "[ ]");
  EXPECT_FALSE(goes_on(key("X", "")));
  const nlohmann::json without = key("X", "");
  begin(without);
  build.write("predict", "");
  EXPECT_FALSE(goes_on(key("X", "")));
}

TEST(Tuner, GoesOnAfterAnInspectionThatThrows) {
  const TemporaryFolder folder;
  Tunable one = tile_product();
  one.space = {{"tokens", {0}}, {"unroll", {1}}, {"vectors", {0}}};
  TunerOptions options = quiet_options(folder.path());
  options.inspect = [](const Tunable&, const Candidate&) -> std::string {
    throw std::runtime_error("no temporary folder");
  };
  State state(folder.path() / "state.json", "key");
  compile_all(options, {one}, kEndless, state);
  EXPECT_EQ(state.reason(one.pipeline, text_of(one.defaults())), "no temporary folder");
}

TEST(Tuner, LeavesWhatItHasNoTimeToCompileForTheNextRun) {
  const TemporaryFolder folder;
  const Tunable one = tile_product();
  const std::vector<Parameters> candidates = one.candidates();
  const auto at = [&](size_t i) { return candidate_at(folder.path(), one, candidates[i]); };
  std::vector<std::string> said;
  TunerOptions options = quiet_options(folder.path());
  options.clock = [](const std::function<void()>&) { return 1.0; };
  options.say = [&](const std::string& line) { said.push_back(line); };
  State state(folder.path() / "state.json", "key");
  ASSERT_EQ(compile(kTools, one, candidates[0], at(0)), "");
  compile_all(options, {one}, 0, state);
  EXPECT_THAT(said, ElementsAre("compiled 1 of 4 candidates in the time for it; the rest is left "
                                "for the next run"));
  EXPECT_FALSE(compiled(at(1)));
  said.clear();
  EXPECT_TRUE(tune_all(options, {one}, calls(), kEndless, state).empty());
  EXPECT_THAT(said,
              ElementsAre("[tile_product] candidates not compiled: 3; left for the next run"));
  compile_all(options, {one}, kEndless, state);
  said.clear();
  compile_all(options, {one}, 0, state);
  EXPECT_THAT(said, ElementsAre("compiled 4 of 4 candidates, about 0 s to go"));
  EXPECT_EQ(tune_all(options, {one}, calls(), 0, state).size(), 1u);
}

}  // namespace
}  // namespace luna::autotune
