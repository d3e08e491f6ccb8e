// No number without a passed gate, and no old number for a new library, processor or size.
#include "experiments/bench/gate.h"

#include <gtest/gtest.h>

#include "experiments/bench/bench.h"
#include "experiments/train/environment.h"

namespace luna::bench {
namespace {

const Size kTiny{"tiny", 1, 1, 20, 8, 3, 2, 5};

Operator operator_named(const std::string& name) {
  for (const Operator& op : operators()) {
    if (op.name == name) return op;
  }
  throw std::runtime_error("no operator " + name);
}

TEST(Gate, PassesEveryOperator) {
  for (const Operator& op : operators()) EXPECT_TRUE(check(op, kTiny).passed()) << op.name;
}

TEST(Gate, FailsAWrongParameterGradient) {
  Operator op = operator_named("luna");
  const auto right = op.apply;
  op.apply = [right](const Inputs& in) {
    Inputs cut = in;
    cut.params[0] = in.params[0] * 0.5 + in.params[0].detach() * 0.5;
    return right(cut);
  };
  EXPECT_FALSE(check(op, kTiny).passed());
}

TEST(Gate, FailsNan) {
  Operator op = operator_named("elu");
  const auto right = op.apply;
  op.apply = [right](const Inputs& in) { return right(in) * NAN; };
  EXPECT_FALSE(check(op, kTiny).passed());
}

TEST(Bench, IsCurrentForItsOwnLibraryProcessorAndSizes) {
  BenchOptions options{{kTiny}, {1}, 0};
  nlohmann::json result = run_bench(options, [](const std::string&) {});
  EXPECT_TRUE(is_current(result, options));
  EXPECT_EQ(result["environment"]["library_sha256"], experiments::library_sha256());
  for (const char* key : {"library_sha256", "cpu"}) {
    nlohmann::json other = result;
    other["environment"][key] = "another";
    EXPECT_FALSE(is_current(other, options)) << key;
    other["environment"].erase(key);
    EXPECT_FALSE(is_current(other, options)) << key;
  }
  options.sizes[0].N = 21;
  EXPECT_FALSE(is_current(result, options));
  options = {{kTiny}, {1, 2}, 0};
  EXPECT_FALSE(is_current(result, options));
  EXPECT_FALSE(is_current(nlohmann::json::object(), options));
}

}  // namespace
}  // namespace luna::bench
