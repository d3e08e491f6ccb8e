// Promise: expressions have the published distribution and the value that their text says.
#include "experiments/tasks/listops_data.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <sstream>

#include "experiments/config/options.h"
#include "tests/support/error_of.h"

namespace luna::experiments {
namespace {

using luna::testing::error_of;

/// Expressions of at most 26 tokens.
ListOpsParameters short_parameters() {
  ListOpsParameters parameters;
  parameters.min_length = 0;
  parameters.max_length = 51;
  parameters.max_depth = 3;
  parameters.max_args = 4;
  parameters.p_operator = 0.5;
  parameters.root_operator = true;
  return parameters;
}

/// Evaluates the text by its parentheses alone: "( a b )" applies a to b.
class Evaluator {
 public:
  explicit Evaluator(const std::string& text) : words_(text) {}

  int value() { return expression().value.value(); }

 private:
  struct Term {
    std::string op;
    std::vector<int> arguments;
    std::optional<int> value;
  };

  std::string word() {
    std::string next;
    words_ >> next;
    return next;
  }

  Term expression() {
    const std::string first = word();
    if (first != "(") {
      if (first.size() == 1 && isdigit(first[0])) return {"", {}, first[0] - '0'};
      return {first, {}, std::nullopt};
    }
    Term left = expression();
    const Term right = expression();
    EXPECT_EQ(word(), ")");
    if (right.op != "]") {
      left.arguments.push_back(right.value.value());
      return left;
    }
    return {"", {}, applied(left)};
  }

  static int applied(Term term) {
    std::vector<int>& a = term.arguments;
    if (term.op == "[MIN") return *std::min_element(a.begin(), a.end());
    if (term.op == "[MAX") return *std::max_element(a.begin(), a.end());
    int sum = 0;
    for (const int x : a) sum += x;
    if (term.op == "[SM") return sum % 10;
    std::sort(a.begin(), a.end());
    return a.size() % 2 == 1 ? a[a.size() / 2] : (a[a.size() / 2 - 1] + a[a.size() / 2]) / 2;
  }

  std::istringstream words_;
};

double mean_length(const std::vector<ListOpsExample>& examples) {
  double sum = 0;
  for (const ListOpsExample& example : examples) sum += example.tokens.size();
  return sum / examples.size();
}

std::vector<double> label_shares(const std::vector<ListOpsExample>& examples) {
  std::vector<double> shares(10);
  for (const ListOpsExample& example : examples) shares[example.label] += 1.0 / examples.size();
  return shares;
}

const std::vector<ListOpsExample>& published() {
  static const auto examples = generate_listops({}, 2000);
  return examples;
}

TEST(ListOpsData, LabelsAreTheValuesOfTheTexts) {
  for (const auto& set : {published(), generate_listops(short_parameters(), 2000)}) {
    for (const ListOpsExample& example : set) {
      const std::string text = listops_text(example.tokens);
      ASSERT_EQ(Evaluator(text).value(), example.label) << text;
      const ListOpsExample read = parse_listops(text, std::to_string(example.label), 2000);
      ASSERT_EQ(read.tokens, example.tokens);
    }
  }
}

// Lengths of 12,000 expressions, and shares of labels of 3,000, by samplers written independently;
// the tolerances are about four standard errors.
TEST(ListOpsData, PublishedStatistics) {
  std::vector<size_t> lengths;
  for (const ListOpsExample& example : published()) lengths.push_back(example.tokens.size());
  std::sort(lengths.begin(), lengths.end());
  EXPECT_GT(lengths.front(), 500u);
  EXPECT_LT(lengths.back(), 2000u);
  EXPECT_NEAR(mean_length(published()), 1035, 35);
  EXPECT_NEAR(lengths[200], 580, 35);
  EXPECT_NEAR(lengths[1000], 954, 60);
  EXPECT_NEAR(lengths[1800], 1642, 75);
  const std::vector<double> expected = {.171, .091, .077, .078, .090, .088, .077, .076, .077, .173};
  const std::vector<double> shares = label_shares(published());
  for (int label = 0; label < 10; ++label) EXPECT_NEAR(shares[label], expected[label], 0.044);
}

// With repetitions the mean length is 2 + 3 (1/2 + 5/2) = 11; without them it is 11.6, by a sampler
// written independently.
TEST(ListOpsData, ShortParameters) {
  const auto examples = generate_listops(short_parameters(), 34'000);
  EXPECT_NEAR(mean_length(examples), 11.6, 0.15);
  const std::vector<double> shares = label_shares(examples);
  EXPECT_LT(*std::max_element(shares.begin(), shares.end()), 0.13);
  for (const ListOpsExample& example : examples) EXPECT_LE(example.tokens[0], kListOpsSm);
}

// 400 expressions of 4 tokens, as likely together as 4,000 of 5: in the order of the draws the
// shorter ones come first.
TEST(ListOpsData, DistinctAndInAnOrderThatTellsNothing) {
  ListOpsParameters parameters = short_parameters();
  parameters.max_depth = 2;
  parameters.max_args = 3;
  const auto examples = generate_listops(parameters, 4'000);
  std::set<std::string> distinct;
  for (const ListOpsExample& example : examples) distinct.insert(example.tokens);
  EXPECT_EQ(distinct.size(), examples.size());
  const auto half = examples.begin() + 2'000;
  EXPECT_NEAR(mean_length({examples.begin(), half}), mean_length({half, examples.end()}), 0.05);
}

TEST(ListOpsData, SameSeedSameExpressions) {
  const auto tokens = [](uint64_t seed) {
    ListOpsParameters parameters = short_parameters();
    parameters.data_seed = seed;
    std::vector<std::string> all;
    for (const auto& example : generate_listops(parameters, 100)) all.push_back(example.tokens);
    return all;
  };
  EXPECT_EQ(tokens(3), tokens(3));
  EXPECT_NE(tokens(3), tokens(4));
}

TEST(ListOpsData, StopsWhereExpressionsRunOut) {
  ListOpsParameters digits;
  digits.min_length = 0;
  digits.max_depth = 1;
  EXPECT_EQ(generate_listops(digits, 10).size(), 10u);
  EXPECT_EQ(error_of<UsageError>([&] { generate_listops(digits, 11); }),
            "task: 1000000 draws in a row gave no new ListOps expression, at 10 of 11; lower "
            "task.train or widen task.min_length .. task.max_length");
}

struct Row {
  std::string source;
  std::string target;
};

class ListOpsValues : public ::testing::TestWithParam<Row> {};

TEST_P(ListOpsValues, OfKnownSources) {
  EXPECT_EQ(std::to_string(parse_listops(GetParam().source, GetParam().target, 12).label),
            GetParam().target);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, ListOpsValues,
    ::testing::Values(Row{"7", "7"}, Row{"( ( ( [MIN 4 ) 2 ) ] )", "2"},
                      Row{"( ( ( [MAX 4 ) 2 ) ] )", "4"}, Row{"( ( ( [SM 8 ) 7 ) ] )", "5"},
                      Row{"( ( ( [MED 4 ) 7 ) ] )", "5"}, Row{"( ( ( ( [MED 9 ) 1 ) 2 ) ] )", "2"},
                      Row{"( ( ( [MAX 2 ) ( ( ( [MIN 4 ) 7 ) ] ) ) ] )", "4"}));

struct BadRow {
  std::string source;
  std::string target;
  std::string what;
};

class ListOpsRefuses : public ::testing::TestWithParam<BadRow> {};

TEST_P(ListOpsRefuses, WithTheReason) {
  const BadRow& row = GetParam();
  EXPECT_EQ(error_of<std::invalid_argument>([&] { parse_listops(row.source, row.target, 6); }),
            row.what);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, ListOpsRefuses,
    ::testing::Values(
        BadRow{"", "0", "unknown token ''"}, BadRow{"( )", "0", "no expression"},
        BadRow{"( ( [FOO 1 ) ] )", "1", "unknown token '[FOO'"},
        BadRow{"( ( [MIN  1 ) ] )", "1", "unknown token ''"},
        BadRow{"( ( [MIN 1 ) ] ) ", "1", "unknown token ''"},
        BadRow{std::string(1000, 'x'), "1", "unknown token '" + std::string(32, 'x') + "'"},
        BadRow{"( [MIN 1 )", "1", "an operator that is not closed"},
        BadRow{"]", "1", "a ']' that closes nothing"},
        BadRow{"( [MIN ] )", "1", "an operator without arguments"},
        BadRow{"( ( [MIN 1 ) ] ) 2", "1", "something follows the end of the expression"},
        BadRow{"1 ]", "1", "something follows the end of the expression"},
        BadRow{"( ( [MIN 1 ) ]", "1", "parentheses that do not fit the brackets"},
        BadRow{"[MIN 1 ]", "1", "parentheses that do not fit the brackets"},
        BadRow{"( ( ( ( ( ( [SM 1 ) 2 ) 3 ) 4 ) 5 ) ] )", "5", "more than 6 tokens"},
        BadRow{"( ( [MIN 1 ) ] )", "2", "target '2' where the value is 1"},
        BadRow{"( ( [MIN 1 ) ] )", "", "target '' where the value is 1"},
        BadRow{"( ( [MIN 1 ) ] )", "1.0", "target '1.0' where the value is 1"}));

TEST(ListOpsData, Tokenizers) {
  const auto ids = [](const std::string& source, const std::string& target,
                      ListOpsTokenizer tokenizer) {
    return listops_ids(parse_listops(source, target, 20).tokens, tokenizer);
  };
  const std::string nested = "( ( ( [MAX 0 ) ( ( ( [MIN 4 ) 9 ) ] ) ) ] )";
  const std::string flat = "( ( ( [MAX 0 ) ( ( [MIN 4 ) ] ) ) ] )";
  using Ids = std::vector<int64_t>;
  EXPECT_EQ(ids(nested, "4", ListOpsTokenizer::brackets), (Ids{2, 6, 1, 10, 15, 5, 5}));
  EXPECT_EQ(ids(nested, "4", ListOpsTokenizer::lra), (Ids{2, 5, 1, 9, 14}));
  EXPECT_EQ(ids(flat, "4", ListOpsTokenizer::lra), (Ids{2, 5, 1, 9}));
  EXPECT_EQ(listops_vocabulary(ListOpsTokenizer::brackets), 17);
  EXPECT_EQ(listops_vocabulary(ListOpsTokenizer::lra), 16);
}

}  // namespace
}  // namespace luna::experiments
