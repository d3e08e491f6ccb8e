// `luna autotune` as its user meets it: killed and run again, and without a GPU.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>

#include "tests/experiments/runner/made_config.h"

namespace luna::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kPipeline = "segment_product_0";  // of three candidates
constexpr int kNotRun = 3;

class Autotune : public ::testing::Test {
 protected:
  std::vector<std::string> arguments(const std::string& minutes) const {
    return {"autotune",
            "--only",
            kPipeline,
            "--minutes",
            minutes,
            "--jobs",
            "1",
            "--folder",
            candidates().string(),
            "--schedules",
            (folder_.path() / "schedules").string()};
  }
  fs::path candidates() const { return folder_.path() / "candidates"; }

  /// In the folder of this device, the only one; "" before there is one.
  fs::path state_file() const {
    if (!fs::exists(candidates())) return {};
    for (const auto& device : fs::directory_iterator(candidates())) {
      return device.path() / "state.json";
    }
    return {};
  }

  json entry() const {
    const json state = json::parse(read_text(state_file()), nullptr, /*allow_exceptions=*/false);
    if (!state.is_object()) return json::object();
    return state.at("pipelines").value(kPipeline, json::object());
  }

  std::map<std::string, fs::file_time_type> compiled() const {
    std::map<std::string, fs::file_time_type> times;
    for (const auto& file : fs::directory_iterator(state_file().parent_path())) {
      if (file.path().extension() == ".so") times[file.path()] = fs::last_write_time(file.path());
    }
    return times;
  }

  /// Of the rung that it is in, by candidate.
  json ratios() const { return entry().value("ratios", json::object()); }
  size_t rounds() const { return ratios().empty() ? 0 : ratios().front().size(); }

  /// Runs it until so many rounds are noted, long before its minutes are over; SIGKILL.
  void kill_after(size_t noted) {
    const pid_t tuner = start_luna(arguments("10"), folder_.path());
    for (int tries = 0; tries < 6000 && rounds() < noted; ++tries) usleep(20'000);
    kill(tuner, SIGKILL);
    waitpid(tuner, nullptr, 0);
    ASSERT_GE(rounds(), noted) << read_text(folder_.path() / "errors");
  }

  const TemporaryFolder folder_;
};

TEST_F(Autotune, KilledGoesOnFromItsState) {
  ASSERT_NO_FATAL_FAILURE(kill_after(1));
  const json noted = ratios();
  const auto libraries = compiled();
  ASSERT_EQ(noted.size(), 2u);
  ASSERT_EQ(libraries.size(), 3u);
  ASSERT_NO_FATAL_FAILURE(kill_after(rounds() + 1));
  const json more = ratios();
  for (const auto& [candidate, numbers] : noted.items()) {
    EXPECT_TRUE(std::equal(numbers.begin(), numbers.end(), more.at(candidate).begin()))
        << candidate << " is measured again";
  }
  const Outcome last = run_luna(arguments("0.01"));
  EXPECT_EQ(last.code, 0) << last.errors;
  EXPECT_THAT(last.output, HasSubstr("; going on with " + state_file().parent_path().string()));
  EXPECT_THAT(last.output, HasSubstr("] 1 candidates, "));
  EXPECT_THAT(last.output, HasSubstr(fmt::format("\n{:<20}", kPipeline)));
  EXPECT_EQ(compiled(), libraries) << "something is compiled again";
  const json done = entry();
  EXPECT_TRUE(done.value("done", false));
  const Outcome again = run_luna(arguments("0.01"));
  EXPECT_EQ(again.code, 0) << again.errors;
  EXPECT_THAT(again.output, Not(HasSubstr("rounds; ")));
  EXPECT_EQ(entry(), done) << "something is measured again";
}

TEST_F(Autotune, WithoutAGpuEndsWithTheRankedPredictions) {
  if (run_luna({"bench", "--device", "cuda", "--environment"}).code != kNotRun) {
    GTEST_SKIP() << "there is a CUDA device";
  }
  std::vector<std::string> given = arguments("5");
  given[2] = "rows_decode_grouped_cuda";
  given.insert(given.end(), {"--device", "cuda"});
  const Outcome outcome = run_luna(given);
  EXPECT_EQ(outcome.code, 0) << outcome.errors;
  EXPECT_THAT(outcome.output, HasSubstr("rows_decode_grouped_cuda: PREDICTION for sm_90 from "
                                        "instruction counts, nothing was timed\n"));
  EXPECT_THAT(outcome.output, HasSubstr("\nstopped here: "));
  EXPECT_THAT(outcome.output, Not(HasSubstr("rounds; ")));
  const std::regex candidate("\n  warps=[0-9]+ +([0-9.]+) ns +[0-9]+ registers x [0-9]+ threads");
  std::vector<double> ns;
  for (std::sregex_iterator at(outcome.output.begin(), outcome.output.end(), candidate), end;
       at != end; ++at) {
    ns.push_back(std::stod((*at)[1]));
  }
  EXPECT_EQ(ns.size(), 3u) << outcome.output;
  EXPECT_TRUE(std::is_sorted(ns.begin(), ns.end())) << outcome.output;
}

}  // namespace
}  // namespace luna::testing
