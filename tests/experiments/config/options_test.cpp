// Options read key by key: values, defaults, and the exact text of every refusal.
#include "experiments/config/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace luna::experiments {
namespace {

using nlohmann::json;

TEST(Nearest, IsTheOneWithTheFewestEdits) {
  EXPECT_EQ(nearest("elo", {"softmax", "elu", "relu"}), "elu");
  EXPECT_EQ(nearest("warm_up", {"batch", "steps", "warmup"}), "warmup");
  EXPECT_EQ(nearest("a", {"b", "c"}), "b");  // the first of equals
  EXPECT_EQ(nearest("x", {}), "");
}

TEST(UnknownName, NamesTheNearestAndAll) {
  EXPECT_EQ(unknown_name("attention", "elo", {"softmax", "elu"}),
            "unknown attention 'elo'; did you mean 'elu'? Known: softmax, elu");
  EXPECT_EQ(unknown_name("tier", "quick", {}), "unknown tier 'quick'; none is known");
}

TEST(CheckKeys, NamesTheKeyAndTheNearest) {
  const json object = {{"quick", 1}, {"pape", 2}};
  check_keys(object, "rates", "tier", {"pape", "quick"});
  EXPECT_THAT(([&] {
                check_keys(object, "rates", "tier", {"paper", "quick"});
              }),
              ::testing::ThrowsMessage<UsageError>("rates.pape: unknown tier 'pape'; did you mean "
                                                   "'paper'? Known: paper, quick"));
}

TEST(CheckList, RefusesEmptyListsAndRepeats) {
  check_list({"elu", "relu"}, "attentions");
  EXPECT_THAT([] { check_list(json::array(), "seeds"); },
              ::testing::ThrowsMessage<UsageError>("seeds is empty; name at least one"));
  EXPECT_THAT([] { check_list(json::parse("[0, 1, 0]"), "seeds"); },
              ::testing::ThrowsMessage<UsageError>("seeds holds 0 twice; name it once"));
}

TEST(OptionReader, GivesValuesAndDefaults) {
  const json object = json::parse(R"({"i": 3, "r": 2, "b": true, "t": "x", "c": "two",
      "ts": ["p", "q"], "is": [1, 2], "rs": [0.5, 1], "table": {"k": 1}})");
  OptionReader given(object, "task"), absent(json(), "task");
  EXPECT_EQ(given.integer("i", 7, 0, 10), 3);
  EXPECT_EQ(absent.integer("i", 7, 0, 10), 7);
  EXPECT_EQ(given.real("r", 0.5, 0, 10), 2.0);
  EXPECT_EQ(absent.real("r", 0.5, 0, 10), 0.5);
  EXPECT_TRUE(given.boolean("b", false));
  EXPECT_TRUE(absent.boolean("b", true));
  EXPECT_EQ(given.text("t", "y"), "x");
  EXPECT_EQ(absent.text("t", "y"), "y");
  EXPECT_EQ(given.choice("c", "one", {"one", "two"}), "two");
  EXPECT_EQ(absent.choice("c", "one", {"one", "two"}), "one");
  EXPECT_EQ(given.texts("ts", {}), (std::vector<std::string>{"p", "q"}));
  EXPECT_EQ(absent.texts("ts", {"r"}), std::vector<std::string>{"r"});
  EXPECT_EQ(given.integers("is", {}), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(absent.integers("is", {3}), std::vector<int64_t>{3});
  EXPECT_EQ(given.reals("rs", {}), (std::vector<double>{0.5, 1}));
  EXPECT_EQ(absent.reals("rs", {2.5}), std::vector<double>{2.5});
  EXPECT_EQ(given.table("table"), json({{"k", 1}}));
  EXPECT_EQ(absent.table("table"), json::object());
  given.finish();
  absent.finish();
}

TEST(OptionReader, TakesBothEndsOfARange) {
  OptionReader reader({{"least", 1}, {"most", 10}, {"zero", 0.0}, {"one", 1}}, "task");
  EXPECT_EQ(reader.integer("least", 5, 1, 10), 1);
  EXPECT_EQ(reader.integer("most", 5, 1, 10), 10);
  EXPECT_EQ(reader.real("zero", 0.5, 0, 1), 0);
  EXPECT_EQ(reader.real("one", 0.5, 0, 1), 1);
}

/// A value of key "k" that a reading must refuse, and the words for it.
struct Refusal {
  const char* name;
  const char* object;
  void (*read)(OptionReader& reader);
  const char* text;
};

const Refusal kRefusals[] = {
    {"IntegerBelow", R"({"k": 0})", [](OptionReader& r) { r.integer("k", 5, 1, 10); },
     "train.k is 0; accepted: a whole number from 1 to 10"},
    {"IntegerAbove", R"({"k": 11})", [](OptionReader& r) { r.integer("k", 5, 1, 10); },
     "train.k is 11; accepted: a whole number from 1 to 10"},
    {"IntegerBeyond64Bits", R"({"k": 18446744073709551615})",
     [](OptionReader& r) { r.integer("k", 5, 0, 10); },
     "train.k is 18446744073709551615; accepted: a whole number from 0 to 10"},
    {"IntegerFraction", R"({"k": 2.5})", [](OptionReader& r) { r.integer("k", 5, 1, 10); },
     "train.k is 2.5; accepted: a whole number from 1 to 10"},
    {"IntegerText", R"({"k": "3"})", [](OptionReader& r) { r.integer("k", 5, 1, 10); },
     "train.k is \"3\"; accepted: a whole number from 1 to 10"},
    {"RealAbove", R"({"k": 1.5})", [](OptionReader& r) { r.real("k", 0, 0, 0.999); },
     "train.k is 1.5; accepted: a number from 0 to 0.999"},
    {"RealText", R"({"k": "inf"})", [](OptionReader& r) { r.real("k", 0, 0, 1); },
     "train.k is \"inf\"; accepted: a number from 0 to 1"},
    {"Boolean", R"({"k": 1})", [](OptionReader& r) { r.boolean("k", true); },
     "train.k is 1; accepted: true or false"},
    {"Text", R"({"k": 1})", [](OptionReader& r) { r.text("k", ""); },
     "train.k is 1; accepted: a text in quotes"},
    {"Choice", R"({"k": "cosin"})",
     [](OptionReader& r) {
       r.choice("k", "cosine", {"cosine", "one_cycle"});
     },
     "train.k: unknown value 'cosin'; did you mean 'cosine'? Known: cosine, one_cycle"},
    {"Texts", R"({"k": ["a", 1]})", [](OptionReader& r) { r.texts("k", {}); },
     "train.k is [\"a\",1]; accepted: a list of texts in quotes"},
    {"Integers", R"({"k": [1, 2.5]})", [](OptionReader& r) { r.integers("k", {}); },
     "train.k is [1,2.5]; accepted: a list of whole numbers"},
    {"Reals", R"({"k": 1})", [](OptionReader& r) { r.reals("k", {}); },
     "train.k is 1; accepted: a list of numbers"},
    {"Table", R"({"k": [1]})", [](OptionReader& r) { r.table("k"); },
     "train.k is [1]; accepted: a table"},
    {"UnknownKey", R"({"stepps": 3})",
     [](OptionReader& r) {
       r.integer("steps", 5, 1, 10);
       r.integer("batch", 5, 1, 10);
       r.finish();
     },
     "train.stepps: unknown key 'stepps'; did you mean 'steps'? Known: batch, steps"},
};

class Refused : public ::testing::TestWithParam<Refusal> {};

TEST_P(Refused, NamesKeyValueAndWhatIsAccepted) {
  OptionReader reader(json::parse(GetParam().object), "train");
  EXPECT_THAT([&] { GetParam().read(reader); },
              ::testing::ThrowsMessage<UsageError>(std::string(GetParam().text)));
}

INSTANTIATE_TEST_SUITE_P(OptionReader, Refused, ::testing::ValuesIn(kRefusals),
                         [](const auto& info) { return info.param.name; });

TEST(OptionReader, RefusesWhatIsNoTable) {
  EXPECT_THAT([] { OptionReader(json(3), "model"); },
              ::testing::ThrowsMessage<UsageError>(std::string("model must be a table, not 3")));
}

}  // namespace
}  // namespace luna::experiments
