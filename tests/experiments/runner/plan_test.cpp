// Configurations: what each tier's cells come to, and what is refused. After a wanted change of a
// configuration, write the golden cells anew:
//   LUNA_UPDATE_GOLDEN=1 build/tests/experiments/runner/runner_plan_test
#include "experiments/runner/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiments/config/options.h"
#include "experiments/config/toml_file.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace luna::experiments {
namespace {

namespace fs = std::filesystem;
using luna::testing::read_text;
using luna::testing::TemporaryFolder;
using luna::testing::write_text;

struct GoldenCell {
  const char *tier, *experiment, *attention;
};

class Golden : public ::testing::TestWithParam<GoldenCell> {};

TEST_P(Golden, ResolvedCell) {
  const GoldenCell& golden = GetParam();
  const Tier tier = select(read_tier(LUNA_TIERS_FILE, golden.tier), {golden.experiment});
  Experiment experiment = tier.experiments.at(0);
  experiment.rates.clear();  // chosen by `luna tune`
  const auto file =
      fs::path(LUNA_GOLDEN) / (std::string(golden.tier) + "_" + golden.experiment + ".toml");
  const std::string text = toml_text(to_json(experiment.cell(golden.attention, 0)));
  if (std::getenv("LUNA_UPDATE_GOLDEN")) write_text(file, text);
  EXPECT_EQ(text, read_text(file));
}

INSTANTIATE_TEST_SUITE_P(Tiers, Golden,
                         ::testing::Values(GoldenCell{"quick", "recall", "luna-eps"},
                                           GoldenCell{"quick", "listops", "softmax"},
                                           GoldenCell{"quick", "image", "performer"},
                                           GoldenCell{"cpu", "listops", "luna"},
                                           GoldenCell{"cpu", "image", "luna-separate"},
                                           GoldenCell{"paper", "listops", "elu"},
                                           GoldenCell{"paper", "image", "luna"},
                                           GoldenCell{"paper-skyformer", "listops", "relu"},
                                           GoldenCell{"paper-skyformer", "image", "mean"}));

constexpr char kExperiment[] = R"(
attentions = ["softmax", "mean"]
seeds = [0, 1]
[task]
name = "recall"
[train]
lr = 2e-3
steps = 10
[learning_rate]
mean = 1e-4
[tier.quick]
[tier.long.train]
steps = 20
)";

class MadePlan : public ::testing::Test {
 protected:
  void write(const std::string& experiment) {
    write_text(folder_.path() / "tiers.toml", "quick = [\"made\"]\nlong = [\"made\"]\n");
    write_text(folder_.path() / "made.toml", experiment);
  }
  Tier read(const std::string& tier = "quick") const {
    return read_tier(folder_.path() / "tiers.toml", tier);
  }
  std::string refusal(const std::string& tier = "quick") const {
    return luna::testing::error_of<UsageError>([&] { read(tier); });
  }
  TemporaryFolder folder_;
};

TEST_F(MadePlan, TiersOverrideTables) {
  write(kExperiment);
  EXPECT_EQ(read("quick").experiments.at(0).cell("mean", 1).train.steps, 10);
  EXPECT_EQ(read("long").experiments.at(0).cell("mean", 1).train.steps, 20);
}

TEST_F(MadePlan, LearningRateOfAnAttentionGoesFirst) {
  write(kExperiment);
  const Experiment experiment = read().experiments.at(0);
  EXPECT_EQ(experiment.cell("mean", 0).train.lr, 1e-4);
  EXPECT_EQ(experiment.cell("softmax", 0).train.lr, 2e-3);
  EXPECT_THAT(experiment.untuned, ::testing::ElementsAre("softmax", "mean"));
}

TEST_F(MadePlan, TunedLearningRateGoesBeforeAll) {
  write(kExperiment);
  write_text(folder_.path() / "learning_rates.json",
             R"({"quick": {"made": {"mean": {"chosen": 4e-3}}}})");
  const Experiment experiment = read().experiments.at(0);
  EXPECT_EQ(experiment.cell("mean", 0).train.lr, 4e-3);
  EXPECT_THAT(experiment.untuned, ::testing::ElementsAre("softmax"));
  EXPECT_EQ(read("long").experiments.at(0).cell("mean", 0).train.lr, 1e-4);
}

TEST_F(MadePlan, PlanIsWhatReportsRead) {
  write(kExperiment);
  EXPECT_EQ(read().plan(), nlohmann::json::parse(R"({"experiments": [
      {"name": "made", "attentions": ["softmax", "mean"], "seeds": [0, 1]}]})"));
}

TEST_F(MadePlan, PlanHoldsHowLearningRatesWereChosen) {
  write(kExperiment);
  const std::string mean =
      R"({"chosen": 4e-3, "seed": 100, "steps": 10, "grid": [
          {"lr": 2e-3, "failed": "loss is nan"},
          {"lr": 4e-3, "validation_accuracy": 0.5, "seconds": 1.5}]})";
  write_text(folder_.path() / "learning_rates.json",
             R"({"quick": {"made": {"elu": {"chosen": 1e-3}, "mean": )" + mean + "}}}");
  EXPECT_EQ(read().plan().at("experiments").at(0).at("learning_rates"),
            nlohmann::json({{"mean", nlohmann::json::parse(mean)}}));
  EXPECT_FALSE(read("long").plan().at("experiments").at(0).contains("learning_rates"));
}

TEST_F(MadePlan, SelectKeepsWhatIsNamed) {
  write(kExperiment);
  EXPECT_THAT(select(read(), {"made/mean"}).experiments.at(0).attentions,
              ::testing::ElementsAre("mean"));
  EXPECT_THAT(select(read(), {"made"}).experiments.at(0).attentions,
              ::testing::ElementsAre("softmax", "mean"));
}

struct Refusal {
  std::string name, before, after, text;
};

class Refused : public MadePlan, public ::testing::WithParamInterface<Refusal> {};

TEST_P(Refused, NamesTheNearest) {
  std::string text = kExperiment;
  const size_t at = text.find(GetParam().before);
  ASSERT_NE(at, std::string::npos);
  write(text.replace(at, GetParam().before.size(), GetParam().after));
  EXPECT_THAT(refusal(), ::testing::StartsWith(GetParam().text));
}

INSTANTIATE_TEST_SUITE_P(
    Names, Refused,
    ::testing::Values(
        Refusal{"key", "seeds =", "seed =",
                "made.toml.seed: unknown key 'seed'; did you mean 'seeds'? Known: "},
        Refusal{"train_key", "steps =", "stepz =",
                "made.toml: train.stepz: unknown key 'stepz'; did you mean 'steps'? Known: "},
        Refusal{"train_value", "steps = 10", "steps = 0",
                "made.toml: train.steps is 0; accepted: a whole number from 1 to "},
        Refusal{"task", "recall", "recal",
                "made.toml: unknown task 'recal'; did you mean 'recall'? Known: "},
        Refusal{"task_key", "name =", "pairz = 3\nname =",
                "made.toml: task.pairz: unknown key 'pairz'; did you mean 'pairs'? Known: "},
        Refusal{"task_value", "name =", "pairs = 129\nname =",
                "made.toml: task.pairs is 129 and task.keys 128: "},
        Refusal{"no_attention", R"("softmax", "mean")", "",
                "made.toml.attentions is empty; name at least one"},
        Refusal{"attention_twice", R"("softmax", "mean")", R"("mean", "mean")",
                "made.toml.attentions holds \"mean\" twice; name it once"},
        Refusal{"no_seed", "[0, 1]", "[]", "made.toml.seeds is empty; name at least one"},
        Refusal{"seed_twice", "[0, 1]", "[1, 1]", "made.toml.seeds holds 1 twice; name it once"},
        Refusal{"seed_negative", "[0, 1]", "[0, -1]",
                "made.toml.seeds holds -1; accepted: whole numbers from 0 to 2147483648"},
        Refusal{"seed_large", "[0, 1]", "[2147483649]",
                "made.toml.seeds holds 2147483649; accepted: whole numbers from 0 to 2147483648"},
        Refusal{"grid_rate", "[tier.quick]", "[grid]\nrates = [-1.0]\n[tier.quick]",
                "made.toml.grid.rates holds -1; accepted: numbers above 0, up to 1000"},
        Refusal{"grid_rate_zero", "[tier.quick]", "[grid]\nrates = [0]\n[tier.quick]",
                "made.toml.grid.rates holds 0; accepted: numbers above 0, up to 1000"},
        Refusal{"no_grid_rate", "[tier.quick]", "[grid]\nrates = []\n[tier.quick]",
                "made.toml.grid.rates is empty; name at least one"},
        Refusal{"grid_rate_twice", "[tier.quick]", "[grid]\nrates = [0.5, 0.5]\n[tier.quick]",
                "made.toml.grid.rates holds 0.5 twice; name it once"},
        Refusal{"attention", "\"mean\"", "\"meen\"",
                "made.toml.attentions: unknown attention 'meen'; did you mean 'mean'? Known: "},
        Refusal{"rate", "mean = 1e-4", "men = 1e-4",
                "made.toml.learning_rate: unknown attention 'men'; did you mean 'mean'? Known: "},
        Refusal{"tier", "[tier.quick]", "[tier.quik]",
                "made.toml: no [tier.quick]; add one, it may be empty"}),
    [](const auto& info) { return info.param.name; });

struct Rates {
  const char *name, *file, *text;
};

class DamagedRates : public MadePlan, public ::testing::WithParamInterface<Rates> {};

TEST_P(DamagedRates, NamesWhatIsWrong) {
  write(kExperiment);
  const fs::path path = folder_.path() / "learning_rates.json";
  write_text(path, GetParam().file);
  const std::string whole = path.string() + " is damaged; delete it, `luna tune` writes it anew";
  EXPECT_EQ(refusal(),
            *GetParam().text ? std::string("learning_rates.json.") + GetParam().text : whole);
}

INSTANTIATE_TEST_SUITE_P(
    Files, DamagedRates,
    ::testing::Values(Rates{"truncated", "{", ""}, Rates{"list", "[]", ""},
                      Rates{"tier", R"({"quick": 3})", "quick is 3; accepted: a table"},
                      Rates{"experiment", R"({"quick": {"made": 3}})",
                            "quick.made is 3; accepted: a table"},
                      Rates{"attention", R"({"quick": {"made": {"mean": 3}}})",
                            "quick.made.mean is 3; accepted: a table"},
                      Rates{"text", R"({"quick": {"made": {"mean": {"chosen": "x"}}}})",
                            "quick.made.mean.chosen is \"x\"; accepted: a number from 0 to 1000"},
                      Rates{"negative", R"({"quick": {"made": {"mean": {"chosen": -1}}}})",
                            "quick.made.mean.chosen is -1; accepted: a number from 0 to 1000"},
                      Rates{"unknown_tier", R"({"luna": {}})",
                            "luna: unknown tier 'luna'; did you mean 'long'? Known: long, quick"},
                      Rates{"unknown_experiment", R"({"quick": {"mode": {}}})",
                            "quick.mode: unknown experiment 'mode'; did you mean 'made'? Known: "
                            "made"},
                      Rates{"unknown_key", R"({"quick": {"made": {"mean": {"choosen": 1}}}})",
                            "quick.made.mean.choosen: unknown key 'choosen'; did you mean "
                            "'chosen'? Known: chosen, grid, seed, steps"}),
    [](const auto& info) { return info.param.name; });

TEST_F(MadePlan, RatesOfAnUnknownAttention) {
  write(kExperiment);
  write_text(folder_.path() / "learning_rates.json", R"({"quick": {"made": {"meen": {}}}})");
  EXPECT_THAT(refusal(), ::testing::StartsWith("learning_rates.json.quick.made: unknown attention "
                                               "'meen'; did you mean 'mean'? Known: "));
}

TEST_F(MadePlan, FolderInThePlaceOfRates) {
  write(kExperiment);
  const fs::path path = folder_.path() / "learning_rates.json";
  fs::create_directory(path);
  EXPECT_EQ(refusal(), path.string() + ": a folder, not a JSON file");
}

TEST_F(MadePlan, TierThatNamesNothingOrAnExperimentTwice) {
  write(kExperiment);
  const fs::path tiers = folder_.path() / "tiers.toml";
  write_text(tiers, "quick = []");
  EXPECT_EQ(refusal(), "tiers.toml.quick is empty; name at least one");
  write_text(tiers, "quick = [\"made\", \"made\"]");
  EXPECT_EQ(refusal(), "tiers.toml.quick holds \"made\" twice; name it once");
}

TEST_F(MadePlan, UnknownTier) {
  write(kExperiment);
  EXPECT_EQ(refusal("quik"), "unknown tier 'quik'; did you mean 'quick'? Known: long, quick");
}

}  // namespace
}  // namespace luna::experiments
