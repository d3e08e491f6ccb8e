// A cell's configuration: to TOML and back, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiments/config/options.h"
#include "experiments/config/toml_file.h"
#include "experiments/train/cell.h"
#include "tests/support/temporary_folder.h"

namespace luna::experiments {
namespace {

using nlohmann::json;

/// No field at its default.
CellConfig unusual_cell() {
  CellConfig cell;
  cell.experiment = "recall";
  cell.cell = "luna_pairs_8";
  cell.seed = 41;
  cell.task = {{"name", "recall"}, {"pairs", {8, 16}}, {"share", 0.1}, {"fresh", true}};
  cell.model = {"luna-eps", 3, 96, 6, 160, 0.15, 12, 6, 24, 40, 500};
  cell.train = {777,     24,   3e-4, "one_cycle", 33,  0.85, 0.999, 1e-7, 0.05,
                "value", 0.25, 7,    50,          300, 900,  5,     123.5};
  return cell;
}

TEST(CellConfig, ComesBackFromTomlAsItWas) {
  const luna::testing::TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "cell.toml";
  for (const CellConfig& cell : {unusual_cell(), CellConfig{"e", "c", 0, json::object(), {}, {}}}) {
    luna::testing::write_text(path, toml_text(to_json(cell)));
    const CellConfig back = cell_from_json(read_toml(path));
    EXPECT_EQ(to_json(back).dump(), to_json(cell).dump());
  }
}

TEST(CellConfig, WritesEveryFieldOnce) {
  const json written = to_json(unusual_cell());
  const json usual = to_json(CellConfig{});
  for (const char* table : {"model", "train"}) {
    for (const auto& item : written.at(table).items()) {
      EXPECT_NE(item.value(), usual.at(table).value(item.key(), json())) << item.key();
    }
  }
  EXPECT_EQ(written.at("model").size(), 11u);
  EXPECT_EQ(usual.at("model").size(), 10u);  // redraw is off
  EXPECT_EQ(written.at("train").size(), 17u);
}

struct Refusal {
  const char* object;
  const char* text;
};

const Refusal kRefusals[] = {
    {R"({"sed": 1})",
     "cell.sed: unknown key 'sed'; did you mean 'seed'? Known: cell, experiment, model, seed, "
     "task, train"},
    {R"({"model": {"head": 1}})",
     "model.head: unknown key 'head'; did you mean 'heads'? Known: L, attention, dropout, "
     "features, ffn, heads, hid, layers, m, redraw, width"},
    {R"({"train": {"warmpu": 1}})",
     "train.warmpu: unknown key 'warmpu'; did you mean 'warmup'? Known: adam_eps, batch, beta1, "
     "beta2, checkpoint_seconds, clip, clip_at, divergence, eval_every, eval_examples, "
     "final_examples, log_every, lr, schedule, steps, warmup, weight_decay"},
    {R"({"model": {"attention": "elo"}})",
     "unknown attention 'elo'; did you mean 'elu'? Known: softmax, elu, relu, relu2, "
     "identity, performer, rff, rfa, cosformer, dpfp, taylor2, t2r, hedgehog, polaformer, "
     "luna-deep, "
     "luna-spline, luna, luna-eps, luna-separate, mean"},
    {R"({"model": {"heads": 3}})", "model.heads is 3; it must divide model.width, 64"},
    {R"({"train": {"steps": 0}})",
     "train.steps is 0; accepted: a whole number from 1 to 1099511627776"},
    {R"({"train": {"schedule": "cosin"}})",
     "train.schedule: unknown value 'cosin'; did you mean 'cosine'? Known: cosine, "
     "floored_cosine, one_cycle"},
    {R"({"train": 3})", "cell.train is 3; accepted: a table"},
};

class CellRefused : public ::testing::TestWithParam<Refusal> {};

TEST_P(CellRefused, NamesTheKeyAndTheCure) {
  EXPECT_THAT([] { cell_from_json(json::parse(GetParam().object)); },
              ::testing::ThrowsMessage<UsageError>(std::string(GetParam().text)));
}

INSTANTIATE_TEST_SUITE_P(CellConfig, CellRefused, ::testing::ValuesIn(kRefusals));

}  // namespace
}  // namespace luna::experiments
