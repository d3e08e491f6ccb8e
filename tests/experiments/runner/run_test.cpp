// `luna run` and `luna tune` on a made configuration: what they print, leave and survive.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/experiments/done_file.h"
#include "tests/experiments/runner/made_config.h"

namespace luna::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr int kSteps = 40;

/// Waits until a cell has logged `lines` lines of metrics.
void wait_for_metrics(const fs::path& cell, int lines) {
  for (int tries = 0; tries < 3000; ++tries) {
    const std::string text = read_text(cell / "metrics.jsonl");
    if (std::count(text.begin(), text.end(), '\n') >= lines) return;
    usleep(20'000);
  }
  FAIL() << "the cell did not start";
}

/// Processes that have the folder among their arguments.
std::vector<pid_t> processes_on(const fs::path& folder) {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string arguments = read_text(entry.path() / "cmdline");
    if (arguments.find(folder.string()) != std::string::npos) found.push_back(std::stoi(name));
  }
  return found;
}

/// kill -9 on the runner; its cells must die with it.
void kill_run(pid_t runner, const fs::path& results) {
  kill(runner, SIGKILL);
  waitpid(runner, nullptr, 0);
  for (int tries = 0; tries < 500 && !processes_on(results).empty(); ++tries) usleep(20'000);
  for (const pid_t cell : processes_on(results)) {
    ADD_FAILURE() << "process " << cell << " lives on";
    kill(cell, SIGKILL);
  }
}

TEST(Run, DryRunPrintsAndWritesNothing) {
  const MadeConfig config(kSteps);
  const Outcome outcome = config.run("run", {"--dry-run"});
  EXPECT_EQ(outcome.code, 0) << outcome.errors;
  EXPECT_THAT(outcome.output, StartsWith("Tier quick in "));
  EXPECT_THAT(outcome.output, HasSubstr("made                     2 x 1      2      0       40"));
  EXPECT_FALSE(fs::exists(config.results()));
}

TEST(Run, DamagedDoneIsNotDone) {
  const MadeConfig config(kSteps);
  ASSERT_EQ(config.run("run").code, 0);
  const json done = without_seconds(config.cell("mean"));
  write_text(config.cell("mean") / "DONE", "{\"seconds\": \"x\"}");
  const Outcome again = config.run("run");
  EXPECT_EQ(again.code, 0) << again.errors;
  EXPECT_THAT(again.output, HasSubstr("2 of 2 cells are done\n"));
  EXPECT_EQ(without_seconds(config.cell("mean")), done);
}

TEST(Run, BadTaskIsRefusedBeforeAnythingIsWritten) {
  const MadeConfig config(kSteps, "[tier.quick.task]\npairs = 9\n");
  const Outcome outcome = config.run("run");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.errors,
            "luna: made.toml: task.pairs is 9 and task.keys 8: the keys of a sequence are "
            "distinct; raise task.keys or lower task.pairs\n");
  EXPECT_FALSE(fs::exists(config.results()));
}

TEST(Run, MemoryThatIsNotThereIsAFailureWithItsCure) {
  const MadeConfig config(kSteps, "[tier.quick.model]\nwidth = 1048576\n");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
  const rlimit terabyte{rlim_t{1} << 40, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_AS, &terabyte), 0);
  const Outcome outcome = config.run("run", {"--only", "made/mean"});
  setrlimit(RLIMIT_AS, &before);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.errors,
              ::testing::MatchesRegex(
                  "failed: made/mean/seed_0: luna: can't allocate memory: you tried to allocate "
                  "[0-9]+ bytes; lower train.batch, model.width or the task's length\n"));
}

TEST(Run, TrainsThenSkips) {
  const MadeConfig config(kSteps);
  const Outcome first = config.run("run");
  EXPECT_EQ(first.code, 0) << first.errors;
  EXPECT_THAT(first.output, HasSubstr("2 of 2 cells are done\n"));
  const auto written = fs::last_write_time(config.cell("mean") / "DONE");
  const fs::path locks[] = {config.results() / "quick" / "LOCK", config.cell("mean") / "LOCK"};
  for (const fs::path& lock : locks) EXPECT_FALSE(fs::exists(lock)) << lock;
  const HeldLock of_tier(locks[0]), of_cell(locks[1]);  // what is done takes none
  const Outcome second = config.run("run");
  EXPECT_EQ(second.code, 0) << second.errors;
  EXPECT_THAT(second.output, HasSubstr("made                     2 x 1      2      2       40"));
  EXPECT_EQ(fs::last_write_time(config.cell("mean") / "DONE"), written);
  EXPECT_EQ(json::parse(read_text(config.results() / "quick" / "plan.json")).dump(),
            R"({"experiments":[{"attentions":["luna-eps","mean"],"name":"made","seeds":[0]}]})");
}

TEST(Run, OtherSeedsAreThePlansToo) {
  const MadeConfig config(kSteps);
  const Outcome outcome = config.run("run", {"--seeds", "3", "--only", "made/mean"});
  EXPECT_EQ(outcome.code, 0) << outcome.errors;
  EXPECT_TRUE(fs::exists(config.results() / "quick" / "made" / "mean" / "seed_3" / "DONE"));
  EXPECT_EQ(json::parse(read_text(config.results() / "quick" / "plan.json")).dump(),
            R"({"experiments":[{"attentions":["luna-eps","mean"],"name":"made","seeds":[3]}]})");
}

TEST(Run, GoesOnAfterKillWithTheSameBytes) {
  const MadeConfig calm(kSteps), disturbed(kSteps);
  ASSERT_EQ(calm.run("run").code, 0);
  const pid_t pid = disturbed.start("run");
  wait_for_metrics(disturbed.cell("luna-eps"), kSteps / 4);
  kill_run(pid, disturbed.results());
  EXPECT_FALSE(fs::exists(disturbed.cell("luna-eps") / "DONE"));
  const Outcome again = disturbed.run("run");
  ASSERT_EQ(again.code, 0) << again.errors;
  for (const char* attention : {"luna-eps", "mean"}) {
    const fs::path a = calm.cell(attention), b = disturbed.cell(attention);
    EXPECT_EQ(read_text(a / "metrics.jsonl"), read_text(b / "metrics.jsonl")) << attention;
    EXPECT_EQ(without_seconds(a), without_seconds(b)) << attention;
  }
}

TEST(Run, KillLeavesNoCellRunning) {
  const MadeConfig config(100'000);
  const pid_t pid = config.start("run");
  wait_for_metrics(config.cell("luna-eps"), 1);
  const std::vector<pid_t> all = processes_on(config.results());
  EXPECT_GE(all.size(), 2u);  // the runner and its cells
  for (const pid_t process : all) {
    if (process != pid) kill(process, SIGSTOP);  // nothing is said, so no broken pipe is met
  }
  kill_run(pid, config.results());
}

TEST(Run, InterruptStopsEveryCell) {
  const MadeConfig config(100'000);
  const pid_t pid = config.start("run");
  wait_for_metrics(config.cell("luna-eps"), 1);
  kill(pid, SIGINT);
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 130);
  const fs::path metrics = config.cell("luna-eps") / "metrics.jsonl";
  const auto size = fs::file_size(metrics);
  usleep(300'000);
  EXPECT_EQ(fs::file_size(metrics), size);
}

TEST(Run, FailedCellDoesNotStopTheOthers) {
  const MadeConfig config(kSteps,
                          "[tier.quick.learning_rate]\nmean = 1000.0\n"
                          "[tier.quick.train]\ndivergence = 100.0\n");
  const Outcome outcome = config.run("run");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.output, HasSubstr("1 of 2 cells are done\n"));
  EXPECT_THAT(outcome.errors, StartsWith("failed: made/mean/seed_0: "));
  EXPECT_EQ(std::count(outcome.errors.begin(), outcome.errors.end(), '\n'), 1) << outcome.errors;
  EXPECT_TRUE(fs::exists(config.cell("luna-eps") / "DONE"));
}

/// What is typed at the run's terminal.
class Typed {
 public:
  explicit Typed(const std::string& text) : before_(dup(STDIN_FILENO)) {
    int terminal = -1;
    if (openpty(&keyboard_, &terminal, nullptr, nullptr, nullptr) != 0) throw std::bad_alloc();
    dup2(terminal, STDIN_FILENO);
    close(terminal);
    if (write(keyboard_, text.data(), text.size()) < 0) throw std::bad_alloc();
  }
  ~Typed() {
    dup2(before_, STDIN_FILENO);
    close(before_);
    close(keyboard_);
  }

 private:
  int before_, keyboard_ = -1;
};

TEST(Run, LongRunDeclinedTrainsNothing) {
  const MadeConfig config(kSteps, "[tier.quick.cost]\nseconds = { other = 8000 }\n");
  const Typed typed("n\n");
  const Outcome outcome = config.run("run");
  EXPECT_EQ(outcome.code, 130);
  EXPECT_THAT(outcome.output, HasSubstr("This is a long run. Go on? [y/N] "));
  EXPECT_FALSE(fs::exists(config.cell("mean")));
  EXPECT_FALSE(fs::exists(config.results() / "quick" / "plan.json"));
}

TEST(Run, LongRunWithoutATerminalNeedsYes) {
  const MadeConfig config(kSteps, "[tier.quick.cost]\nseconds = { other = 8000 }\n");
  const int before = dup(STDIN_FILENO), nobody = open("/dev/null", O_RDONLY);
  dup2(nobody, STDIN_FILENO);
  const Outcome refused = config.run("run"), begun = config.run("run", {"--yes"});
  dup2(before, STDIN_FILENO);
  close(before);
  close(nobody);
  EXPECT_EQ(refused.code, 2);
  EXPECT_EQ(refused.errors,
            "luna: this run takes more than an hour and there is no terminal to ask at: pass --yes "
            "to begin it\n");
  EXPECT_EQ(begun.code, 0) << begun.errors;
}

TEST(Run, SecondRunOnTheFolderIsRefused) {
  const MadeConfig config(kSteps);
  const HeldLock held(config.results() / "quick" / "LOCK");
  const Outcome outcome = config.run("run");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.errors, HasSubstr("quick is in use by process 4321; "));
  EXPECT_FALSE(fs::exists(config.cell("mean")));
}

TEST(Run, OtherConfigurationIsRefused) {
  const MadeConfig config(kSteps);
  const fs::path file = config.cell("mean") / "config.resolved.toml";
  write_text(file, "seed = 5\n");
  const Outcome outcome = config.run("run");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.errors, HasSubstr(" holds results of another configuration: "));
  EXPECT_EQ(read_text(file), "seed = 5\n");
}

TEST(Run, ResultsThatCannotBeWritten) {
  const MadeConfig config(kSteps);
  write_text(config.results(), "a file, not a folder");
  const Outcome outcome = config.run("run");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.errors,
              HasSubstr(": Not a directory; choose another results folder with --results\n"));
  EXPECT_EQ(read_text(config.results()), "a file, not a folder");
}

TEST(Run, UnknownTaskOptionNamesTheNearest) {
  const MadeConfig config(kSteps, "[tier.quick.task]\npears = 3\n");
  const Outcome outcome = config.run("run");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.errors, HasSubstr("unknown key 'pears'; did you mean 'pairs'? Known: "));
}

TEST(Tune, KeepsWhatItKnewOfUnfinishedCells) {
  const MadeConfig config(kSteps, "[tier.quick.grid]\nrates = [1e-2]\nseed = 100\n");
  const fs::path file = config.results().parent_path() / "learning_rates.json";
  write_text(file, R"({"quick": {"made": {"mean": {"chosen": 0.5}}}})");
  fs::create_directories(config.results() / "tune-quick" / "made");
  write_text(config.results() / "tune-quick" / "made" / "mean_lr_0.01", "in the way");
  const Outcome tuned = config.run("tune");
  EXPECT_EQ(tuned.code, 1);
  EXPECT_THAT(tuned.output, HasSubstr("unfinished: what learning_rates.json says of it stays\n"));
  const json made = json::parse(read_text(file)).at("quick").at("made");
  EXPECT_EQ(made.at("mean"), json({{"chosen", 0.5}}));
  EXPECT_EQ(made.at("luna-eps").at("chosen"), 1e-2);
}

TEST(Tune, ChoosesOnValidationAndRunUsesIt) {
  const MadeConfig config(kSteps,
                          "[tier.quick.train]\ndivergence = 1e12\n[tier.quick.grid]\nrates = "
                          "[10.0, 1e-2, 1e-9]\nseed = 100\n");
  const Outcome tuned = config.run("tune");
  ASSERT_EQ(tuned.code, 0) << tuned.errors;
  EXPECT_TRUE(fs::exists(config.results() / "tune-quick/made/mean_lr_0.01/seed_100/DONE"));
  const fs::path file = config.results().parent_path() / "learning_rates.json";
  const json entry = json::parse(read_text(file)).at("quick").at("made").at("luna-eps");
  EXPECT_EQ(entry.at("chosen"), 1e-2);
  EXPECT_EQ(entry.at("seed"), 100);
  EXPECT_EQ(entry.at("grid").size(), 3u);
  EXPECT_THAT(config.run("run", {"--dry-run"}).output, Not(HasSubstr("no tuned learning rate")));
}

}  // namespace
}  // namespace luna::testing
