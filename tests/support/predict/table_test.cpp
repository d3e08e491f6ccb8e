// The table of predictions, and the program that prints it.
#include "tests/support/predict/table.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "experiments/autotune/shell.h"
#include "runtime/kernels/registry.h"
#include "tests/support/predict/side_by_side.h"

namespace luna::test {
namespace {

using ::testing::Contains;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string summary(const TableEntry& entry) {
  return fmt::format("{} {} {} {}", entry.label(), entry.call.d, dtype_name(entry.call.dtype),
                     entry.pass_name());
}

TableEntry entry_of(const std::string& row) {
  for (TableEntry& entry : table_entries()) {
    if (summary(entry) == row) return std::move(entry);
  }
  throw std::invalid_argument(row);
}

TEST(PredictionTable, HasTheseRowsByDefault) {
  std::set<std::string> usual, extra;
  for (const TableEntry& entry : table_entries()) {
    (entry.extra ? extra : usual).insert(summary(entry));
  }
  for (const char* row :
       {"luna 64 f32 forward", "luna 64 f16 forward_backward", "relu2 64 bf16 forward",
        "identity 64 f16 forward", "luna 64 f32 causal forward",
        "elu 64 bf16 causal forward_backward", "luna, ch_rms 64 f32 forward",
        "luna, dense_gelu, ch_rms 64 f32 forward_backward", "luna 128 f32 forward",
        "elu 128 f32 forward_backward", "luna 32 f32 forward", "luna 64 f32 decode"}) {
    EXPECT_THAT(usual, Contains(row));
  }
  for (const char* row : {"taylor2 32 f32 forward", "relu 64 f32 causal forward"}) {
    EXPECT_THAT(extra, Contains(row));
  }
}

/// Rows in half precision are of maps with kernels for it.
TEST(PredictionTable, AsksWhichKernelsAreBuilt) {
  EXPECT_TRUE(has_own_kernels(entry_of("taylor2 64 f32 forward").call));
  EXPECT_FALSE(has_own_kernels(entry_of("taylor2 64 bf16 forward").call));
  const TableEntry entry = entry_of("taylor2 64 f16 forward");
  EXPECT_EQ(Table({entry}).rows(entry), "");
}

/// Whatever stands in a column, another one begins where its name does.
TEST(PredictionTable, KeepsColumnsApart) {
  TableEntry entry = entry_of("elu 64 f32 forward_backward");
  entry.size.N = 100;
  const Table table({entry, entry_of("luna, dense_gelu, ch_rms 64 f32 forward")});
  const std::string rows = table.rows(entry);
  for (const char* pipeline : {"kv_state_elu_64_cuda", "grad_elu_64_cuda"}) {
    EXPECT_THAT(rows, ContainsRegex("elu +64 f32 +forward_backward( +[0-9]+\\.[0-9]+){11}  " +
                                    std::string(pipeline) + "\n"));
  }
  EXPECT_THAT(rows, ContainsRegex("elu +64 f32 +forward_backward +[0-9]+\\.[0-9]+  together\n"));
  const std::string names = table.names();
  std::istringstream lines(rows);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_EQ(line.find(" 64 f32"), names.find("  d dtype")) << line;
    EXPECT_EQ(line.find("forward_backward"), names.find("pass")) << line;
    EXPECT_EQ(line.find_last_of(' ') + 1, names.find("pipeline")) << line;
  }
}

TEST(PredictionTable, SaysThatItIsOne) {
  const auto entries = table_entries();
  EXPECT_THAT(table_head(entries), StartsWith("PREDICTION, not a measurement: no GPU was used."));
  EXPECT_EQ(table_head(entries).find("build without nvcc") == std::string::npos, has_cuda_cpp());
  hide_cuda_cpp();
  EXPECT_THAT(table_head(entries), HasSubstr("build without nvcc"));
  kernels::hide_pipelines({});
}

TEST(SideBySide, HandsOverInOrder) {
  std::vector<std::string> texts;
  make_in_order(
      20, 3,
      [](size_t i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(i % 3 == 0 ? 20 : 1));
        return std::to_string(i) + " " + std::to_string(getpid());
      },
      [&](size_t i, const std::string& text) {
        EXPECT_EQ(i, texts.size());
        EXPECT_THAT(text, StartsWith(std::to_string(i) + " "));
        texts.push_back(text.substr(text.find(' ')));
      });
  EXPECT_EQ(texts.size(), 20u);
  const std::set<std::string> processes(texts.begin(), texts.end());
  EXPECT_GT(processes.size(), 1u);
  EXPECT_EQ(processes.count(" " + std::to_string(getpid())), 0u);
}

TEST(SideBySide, EndsAtTheFirstFailure) {
  const auto make = [](const std::function<std::string(size_t)>& text) {
    make_in_order(4, 2, text, [](size_t, const std::string&) {});
  };
  const auto message = [&](const std::function<std::string(size_t)>& text) -> std::string {
    try {
      make(text);
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message([](size_t i) -> std::string {
              if (i == 1) throw std::runtime_error("no kernel");
              return "";
            }),
            "no kernel");
  EXPECT_EQ(message([](size_t i) -> std::string {
              if (i == 1) _exit(1);
              return "";
            }),
            "a process ended before its work");
}

/// Exit code and what was printed.
std::pair<int, std::string> run(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), LUNA_PREDICT);
  const autotune::Output output = autotune::run_program(arguments);
  return {WEXITSTATUS(output.status), output.text};
}

TEST(PredictProgram, SaysWhatItTakes) {
  const auto [code, text] = run({"--help"});
  EXPECT_EQ(code, 0);
  for (const char* option : {"--only", "--d", "--all", "--halide", "--jobs", "--cost"}) {
    EXPECT_THAT(text, HasSubstr(option));
  }
}

TEST(PredictProgram, RefusesWhatItDoesNotKnow) {
  for (const auto& [arguments, cause] :
       std::vector<std::pair<std::vector<std::string>, const char*>>{
           {{"--everything"}, "--everything"},
           {{"luna"}, "luna"},
           {{"--d", "48"}, "48"},
           {{"--only", "moon"}, "dpfp"},
           {{"--jobs", "0"}, "0"},
           {{"--cost", "kv_state_elu_64_cuda"}, "--cost"},
           {{"--all", "--cost", "a", "b", "c"}, "--all"}}) {
    const auto [code, text] = run(arguments);
    EXPECT_EQ(code, 2) << text;
    EXPECT_THAT(text, StartsWith("luna_predict: "));
    EXPECT_THAT(text, HasSubstr(cause));
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  }
}

TEST(PredictProgram, PrintsTheRowsThatAreAskedFor) {
  const auto [code, text] = run({"--only", "elu", "--d", "32", "--halide", "--jobs", "2"});
  EXPECT_EQ(code, 0);
  EXPECT_THAT(text, HasSubstr("as in a build without nvcc"));
  EXPECT_THAT(text, ContainsRegex("\nelu  .*apply_state_elu_32_cuda"));
  EXPECT_THAT(text, ContainsRegex("\nrelu  .*grad_relu_32_cuda"));
  EXPECT_THAT(text, Not(HasSubstr("_64_cuda")));
  EXPECT_THAT(text, Not(HasSubstr("performer")));
}

}  // namespace
}  // namespace luna::test
