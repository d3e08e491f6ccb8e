// The command line of `luna`: texts and exit codes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/experiments/runner/made_config.h"

namespace luna::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Usage {
  std::string name;
  std::vector<std::string> arguments;
  std::string text;
};

class UsageErrors : public ::testing::TestWithParam<Usage> {};

TEST_P(UsageErrors, OneLineAndCodeTwo) {
  const Outcome outcome = run_luna(GetParam().arguments);
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.errors, StartsWith("luna: " + GetParam().text));
  EXPECT_EQ(std::count(outcome.errors.begin(), outcome.errors.end(), '\n'), 1) << outcome.errors;
}

INSTANTIATE_TEST_SUITE_P(
    Texts, UsageErrors,
    ::testing::Values(
        Usage{"no_command",
              {},
              "name a command: run, bench, selftest, autotune, compare, table, report, list, data, "
              "tune\n"},
        Usage{"command", {"rum"}, "unknown command 'rum'; did you mean 'run'? Known: run, "},
        Usage{"option_first", {"-x"}, "unknown option '-x'; did you mean '--help'? Known: "},
        Usage{"value_missing", {"run", "--tier"}, "--tier: 1 required TEXT missing\n"},
        Usage{"command_of_data",
              {"data", "nope"},
              "unknown command 'nope'; did you mean 'make'? Known: make, verify\n"},
        Usage{"option",
              {"run", "--tierr=x"},
              "unknown option '--tierr'; did you mean '--tier'? Known: --help, --tier, "},
        Usage{"argument", {"run", "quick"}, "unexpected argument 'quick'\n"},
        Usage{"argument_behind_dashes",
              {"list", "tasks", "--", "foo"},
              "unexpected argument 'foo'\n"},
        Usage{"argument_empty", {"bench", ""}, "unexpected argument ''\n"},
        Usage{"argument_of_bench", {"bench", "--full", "foo"}, "unexpected argument 'foo'\n"},
        Usage{"option_of_bench",
              {"bench", "--ful"},
              "unknown option '--ful'; did you mean '--full'? Known: --help, --tier, "},
        Usage{"argument_of_data", {"data", "make", "foo"}, "unexpected argument 'foo'\n"},
        Usage{"option_of_data",
              {"data", "verify", "--taks", "recall"},
              "unknown option '--taks'; did you mean '--task'? Known: --help, --tier, --config, "
              "--data, --task\n"},
        Usage{"number", {"run", "--jobs", "0"}, "--jobs: '0' is no whole number from 1 to 1024\n"},
        Usage{"tier", {"run", "--tier", "quik"}, "unknown tier 'quik'; did you mean 'quick'? "},
        Usage{"experiment",
              {"run", "--dry-run", "--only", "recal"},
              "unknown experiment 'recal'; did you mean 'recall'? Known: recall, listops, image\n"},
        Usage{"attention",
              {"run", "--dry-run", "--only", "recall/elo"},
              "recall: unknown attention 'elo'; did you mean 'elu'? Known: softmax, elu, "},
        Usage{"tier_empty", {"report", "--tier", ""}, "--tier: '' is no name of a tier\n"},
        Usage{"tier_path",
              {"report", "--tier", "../quick"},
              "--tier: '../quick' is no name of a tier\n"},
        Usage{"seed_twice",
              {"run", "--dry-run", "--seeds", "1,1"},
              "--seeds holds 1 twice; name it once\n"},
        Usage{"threads_twice",
              {"bench", "--threads", "1,1"},
              "--threads holds 1 twice; name it once\n"},
        Usage{"seconds",
              {"bench", "--seconds", "nan"},
              "--seconds: 'nan' is no number from 0.01 to 100000\n"},
        Usage{"seconds_endless",
              {"bench", "--seconds", "inf"},
              "--seconds: 'inf' is no number from 0.01 to 100000\n"},
        Usage{"call_seconds",
              {"bench", "--full", "--call-seconds", "-nan"},
              "--call-seconds: '-nan' is no number from 0.001 to 10000\n"},
        Usage{"autotune_minutes",
              {"autotune", "--minutes", "nan"},
              "--minutes: 'nan' is no number from 0.01 to 10000\n"},
        Usage{"autotune_endless",
              {"autotune", "--minutes", "inf"},
              "--minutes: 'inf' is no number from 0.01 to 10000\n"},
        Usage{"autotune_text",
              {"autotune", "--minutes", "5m"},
              "--minutes: '5m' is no number from 0.01 to 10000\n"},
        Usage{"autotune_architecture",
              {"autotune", "--device", "cuda", "--architecture", "sm_70"},
              "--architecture: unknown architecture 'sm_70'; known: sm_80, "},
        Usage{"autotune_architecture_cpu",
              {"autotune", "--architecture", "sm_80", "--only", "nothing"},
              "--architecture goes with --device cuda\n"},
        Usage{"autotune_jobs",
              {"autotune", "--jobs", "nan"},
              "--jobs: 'nan' is no whole number from 1 to 1024\n"},
        Usage{"threads",
              {"bench", "--threads", "1,inf"},
              "--threads: 'inf' is no whole number from 1 to 1024\n"},
        Usage{
            "threads_empty", {"bench", "--threads", "1,"}, "--threads: '1,' has an empty entry\n"},
        Usage{"seed",
              {"run", "--dry-run", "--seeds", "0,-1"},
              "--seeds: '-1' is no whole number from 0 to 2147483648\n"},
        Usage{"seed_huge",
              {"run", "--dry-run", "--seeds", "99999999999999999999"},
              "--seeds: '99999999999999999999' is no whole number from 0 to 2147483648\n"},
        Usage{"seed_empty",
              {"run", "--dry-run", "--seeds", "1,,2"},
              "--seeds: '1,,2' has an empty entry\n"},
        Usage{"only_empty",
              {"run", "--dry-run", "--only", ",recall"},
              "--only: ',recall' has an empty entry\n"},
        Usage{"sizes_empty", {"bench", "--sizes", "A,,B"}, "--sizes: 'A,,B' has an empty entry\n"},
        Usage{"task_empty",
              {"data", "make", "--task", "recall,"},
              "--task: 'recall,' has an empty entry\n"},
        Usage{"slower",
              {"compare", "a.json", "b.json", "--fail-on-slower", "nan"},
              "--fail-on-slower: 'nan' is no number from 0 to 1e+06\n"},
        Usage{"data", {"data"}, "name a command: make, verify\n"},
        Usage{"config",
              {"run", "--config", "absent.toml"},
              "--config: there is no file 'absent.toml'; name one, or leave the option out\n"},
        Usage{"config_bench",
              {"bench", "--config", "absent.toml"},
              "--config: there is no file 'absent.toml'; name one, or leave the option out\n"},
        Usage{"config_list",
              {"list", "tasks", "--config", "tests"},
              "--config: there is no file 'tests'; name one, or leave the option out\n"},
        Usage{"results_empty",
              {"run", "--dry-run", "--results", ""},
              "--results: '' is no path; name one, or leave the option out\n"},
        Usage{"out_empty",
              {"bench", "--out", ""},
              "--out: '' is no path; name one, or leave the option out\n"},
        Usage{"size",
              {"bench", "--sizes", "C"},
              "unknown size 'C'; did you mean 'A'? Known: A, B; decode and numbers of tokens need "
              "--full\n"},
        Usage{"size_full",
              {"bench", "--full", "--sizes", "C"},
              "unknown size 'C'; known: A, B, decode and numbers of tokens from 1 to 16384k such "
              "as 64 or 4k\n"},
        Usage{"filter", {"bench", "--full", "--filter", "lnua"}, "--filter 'lnua' leaves no row\n"},
        Usage{"size_cuda",
              {"bench", "--device", "cuda", "--sizes", "4k:33"},
              "unknown size '4k:33'; known: A, B, decode and numbers of tokens from 1 to 16384k "
              "such as 64 or 4k, 4k:32 and 4k:128 for other d than 64\n"},
        Usage{"filter_text_cuda",
              {"bench", "--device", "cuda", "--filter", "("},
              "--filter '(' is no regular expression without back-references; put a backslash "
              "before what stands for "
              "itself\n"},
        Usage{"model_cuda",
              {"bench", "--device", "cuda", "--model", "--filter", "lnua"},
              "--filter 'lnua' leaves no row\n"},
        Usage{"filter_quick",
              {"bench", "--filter", "luna"},
              "--filter goes with --full or --device cuda\n"},
        Usage{"filter_cuda",
              {"bench", "--device", "cuda", "--full"},
              "--full goes with --device cpu\n"},
        Usage{"threads_cuda",
              {"bench", "--device", "cuda", "--threads", "1"},
              "--threads goes with --device cpu\n"},
        Usage{"seconds_full",
              {"bench", "--full", "--seconds", "5"},
              "--seconds goes with a benchmark without --full; with it the time is --minutes\n"},
        Usage{"minutes_quick",
              {"bench", "--minutes", "5"},
              "--minutes goes with --full; without it the time is --seconds\n"},
        Usage{"call_seconds_quick",
              {"bench", "--call-seconds", "5"},
              "--call-seconds goes with --full or --device cuda\n"},
        Usage{"minutes",
              {"bench", "--full", "--minutes", "nan"},
              "--minutes: 'nan' is no number from 0.001 to 10000\n"},
        Usage{"autotune_nothing",
              {"autotune", "--only", "nothing"},
              "no pipeline of cpu with a schedule to tune is named like 'nothing'\n"},
        Usage{"selftest_nothing",
              {"selftest", "--only", "nothing"},
              "no map has 'nothing' in its name\n"},
        Usage{"selftest_only_empty",
              {"selftest", "--only", ""},
              "--only: '' is part of every name; name more, or leave the option out\n"},
        Usage{"autotune_only_empty",
              {"autotune", "--only", ""},
              "--only: '' is part of every name; name more, or leave the option out\n"},
        Usage{"compare_nothing", {"compare", "a.json"}, "new is required\n"},
        Usage{
            "compare_absent", {"compare", "absent.json", "b.json"}, "absent.json: no such file\n"},
        Usage{"table_absent", {"table", "absent.json"}, "absent.json: no such file\n"},
        Usage{"list", {"list", "task"}, "unknown list 'task'; did you mean 'tasks'? Known: "},
        Usage{"task",
              {"data", "make", "--task", "listop"},
              "unknown task 'listop'; did you mean 'listops'? Known: "}),
    [](const auto& info) { return info.param.name; });

TEST(Command, ListNamesEveryRegistry) {
  const Outcome outcome = run_luna({"list"});
  EXPECT_EQ(outcome.code, 0);
  for (const char* name :
       {"attentions:", "luna-separate", "feature-maps:", "[psi_l(w_i x + b_i) + feature_eps]",
        "tasks:", "recall", "experiments:", "tiers cpu, paper"}) {
    EXPECT_THAT(outcome.output, HasSubstr(name));
  }
}

TEST(Command, ListPrintsWhatAFixedMapTakes) {
  const Outcome outcome = run_luna({"list", "feature-maps"});
  EXPECT_EQ(outcome.code, 0);
  for (const char* text :
       {" (LUNA, arXiv 2512.08061); D = m L; params: proj_weight [m, d] trained, proj_bias [m] "
        "trained, w1 [hid] or [L, hid] trained, ",
        "  elu             phi(x) = elu(x) + 1 (Katharopoulos 2020, eq. 7); D = d; params: none\n",
        "; D = m, hyperbolic 2m; params: W [m, d] drawn; names: performer, performer:positive, "
        "performer:hyperbolic\n",
        "; D = 2m; params: W [m, d] drawn, sigma [d] trained\n",
        "(DPFP-nu, Schlag 2021); D = 2 d nu; params: none; names: dpfp, dpfp:<nu>\n",
        "; D = 1 + d + d(d+1)/2; params: none\n",
        "; D = m; params: W [m, d] or [Hk, m, d] trained, b [m] or [Hk, m] trained\n",
        "; D = 2d; params: power [d] trained\n"}) {
    EXPECT_THAT(outcome.output, HasSubstr(text));
  }
}

TEST(Command, WithoutADeviceSaysSoInOneLine) {
  for (const char* command : {"bench", "selftest"}) {
    const Outcome outcome = run_luna({command, "--device", "cuda"});
    if (outcome.code == 0) GTEST_SKIP() << "there is a CUDA device";
    EXPECT_EQ(outcome.code, 3);
    EXPECT_THAT(outcome.errors, StartsWith("not run: "));
    EXPECT_EQ(std::count(outcome.errors.begin(), outcome.errors.end(), '\n'), 1) << outcome.errors;
    EXPECT_EQ(outcome.output, "");
  }
}

TEST(Command, OutputThatCannotBeWrittenIsAFailure) {
  const TemporaryFolder data;
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"--version"},
           {"--help"},
           {"run", "--dry-run"},
           {"bench", "--environment"},
           {"data", "verify", "--task", "recall", "--data", data.path().string()}}) {
    const Outcome outcome = run_luna(arguments, "/dev/full");
    EXPECT_EQ(outcome.code, 1) << arguments[0];
    EXPECT_EQ(outcome.errors,
              "luna: standard output could not be written; see whether its disk is full, or "
              "whether it is closed\n")
        << arguments[0];
  }
}

TEST(Command, SelftestOfNothingPrintsNoTable) {
  EXPECT_EQ(run_luna({"selftest", "--only", "nothing"}).output, "");
}

TEST(Command, ReportWithoutResults) {
  const Outcome outcome = run_luna({"report", "--results", "absent"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.errors, StartsWith("luna: no results in absent/quick: run "));
}

TEST(Command, ReportBeforeACellIsFinished) {
  const TemporaryFolder folder;
  const std::string results = folder.path().string();
  write_text(folder.path() / "quick" / "plan.json",
             R"({"experiments": [{"name": "recall", "attentions": ["elu"], "seeds": [0]}]})");
  const Outcome outcome = run_luna({"report", "--results", results, "--out", results + "/out"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.errors,
            "no cell in " + results + "/quick is finished; `luna run --tier quick` trains them\n");
  EXPECT_THAT(outcome.output, StartsWith("0 of 1 cells: "));
}

TEST(Command, BenchReplacesNothingButABenchmark) {
  const TemporaryFolder folder;
  const auto file = folder.write("bench.json", "precious");
  for (const char* kind : {"--full", "--force"}) {
    const Outcome outcome = run_luna({"bench", kind, "--out", file.string()});
    EXPECT_EQ(outcome.code, 2);
    EXPECT_EQ(outcome.errors, "luna: " + file.string() +
                                  " is no benchmark (or a damaged one) and would be lost; "
                                  "name another file with --out, or remove it\n");
    EXPECT_EQ(read_text(file), "precious");
  }
}

TEST(Command, BenchTimesAnewWhereTheFileIsOfAnotherLibrary) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "bench.json";
  write_text(file, R"({"sizes": [], "environment": {}})");
  const std::vector<std::string> arguments = {"bench",     "--out", file.string(), "--sizes", "A",
                                              "--seconds", "0.01",  "--threads",   "1"};
  const Outcome first = run_luna(arguments);
  EXPECT_EQ(first.code, 0) << first.errors;
  EXPECT_THAT(first.output,
              StartsWith(file.string() + " is of another library, processor or choice of sizes: "
                                         "timing again\n0.01 s for everything; the gate (every "
                                         "operator against float64) and 4 calls of every operator "
                                         "at every size and number of threads are made in any "
                                         "case, which takes some "));
  const std::string written = read_text(file);
  EXPECT_THAT(written, HasSubstr("library_sha256"));
  EXPECT_FALSE(std::filesystem::exists(file.string() + ".lock"));
  const Outcome second = run_luna(arguments);
  EXPECT_EQ(second.code, 0) << second.errors;
  EXPECT_EQ(second.output, file.string() + " is there; --force times again\n");
  EXPECT_EQ(read_text(file), written);
}

TEST(Command, BenchRefusesItsFileBeforeItTimes) {
  const TemporaryFolder folder;
  const std::string place = folder.path().string();
  for (std::vector<std::string> arguments :
       {std::vector<std::string>{"bench"}, {"bench", "--full"}}) {
    arguments.insert(arguments.end(), {"--out", place});
    const Outcome outcome = run_luna(arguments);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_EQ(outcome.output, "");
    EXPECT_EQ(outcome.errors, "luna: " + place + " is a folder; name a file with --out\n");
  }
  EXPECT_FALSE(std::filesystem::exists(place + ".lock"));
}

TEST(Command, SecondBenchIntoAFileIsRefused) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "bench.json";
  const HeldLock held(file.string() + ".lock");
  for (std::vector<std::string> arguments :
       {std::vector<std::string>{"bench"}, {"bench", "--full"}}) {
    arguments.insert(arguments.end(), {"--out", file.string()});
    const Outcome outcome = run_luna(arguments);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_EQ(outcome.output, "");
    EXPECT_EQ(outcome.errors, "luna: " + file.string() +
                                  " is in use by process 4321; wait for it, "
                                  "or choose another file with --out\n");
  }
}

/// Whatever else is given, and whether or not the tier has results.
TEST(Command, UnknownTierIsRefusedByEveryCommand) {
  const TemporaryFolder folder;
  const std::string results = folder.path().string();
  std::filesystem::create_directories(folder.path() / "quik");
  for (std::vector<std::string> arguments : std::vector<std::vector<std::string>>{
           {"run", "--dry-run", "--results", results},
           {"tune", "--results", results},
           {"bench", "--results", results},
           {"bench", "--full", "--out", results + "/bench.json"},
           {"bench", "--environment"},
           {"report", "--results", results, "--out", results},
           {"data", "make", "--task", "recall", "--data", results},
           {"data", "verify", "--task", "recall", "--data", results}}) {
    arguments.insert(arguments.end(), {"--tier", "quik"});
    const Outcome outcome = run_luna(arguments);
    EXPECT_EQ(outcome.code, 2) << arguments[0];
    EXPECT_EQ(outcome.output, "") << arguments[0];
    EXPECT_THAT(outcome.errors,
                StartsWith("luna: unknown tier 'quik'; did you mean 'quick'? Known: "));
  }
}

}  // namespace
}  // namespace luna::testing
