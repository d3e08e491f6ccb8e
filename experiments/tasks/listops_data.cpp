#include "experiments/tasks/listops_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <stdexcept>
#include <unordered_set>

#include "experiments/config/options.h"
#include "experiments/tasks/random.h"

namespace luna::experiments {
namespace {

constexpr uint64_t kStream = 0x115705;
// Far above 1 / (acceptance of the published parameters), 12.
constexpr int64_t kMostFruitlessDraws = 1'000'000;

constexpr std::array<std::string_view, 16> kNames = {
    "", "[MIN", "[MAX", "[MED", "[SM", "]", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

bool is_operator(char token) { return token >= kListOpsMin && token <= kListOpsSm; }
bool is_digit(char token) { return token >= kListOpsZero && token <= kListOpsNine; }

/// Draws one expression at a time into the same buffer.
class Generator {
 public:
  explicit Generator(const ListOpsParameters& parameters)
      : parameters_(parameters), random_({kStream, parameters.data_seed}) {}

  /// False where the expression drawn has a length that is not asked for.
  bool draw() {
    tokens_.clear();
    return node(1) && static_cast<int64_t>(tokens_.size()) > parameters_.min_length;
  }

  const std::string& tokens() const { return tokens_; }

 private:
  /// False, leaving the expression unfinished, as soon as it is too long.
  bool node(int64_t depth) {
    const bool leaf =
        depth >= parameters_.max_depth ||
        !((depth == 1 && parameters_.root_operator) || random_.unit() < parameters_.p_operator);
    if (leaf) return put(kListOpsZero + random_.below(10));
    const int64_t span = parameters_.max_args - parameters_.min_args + 1;
    const int64_t arguments = parameters_.min_args + random_.below(span);
    if (!put(kListOpsMin + random_.below(4))) return false;
    for (int64_t i = 0; i < arguments; ++i) {
      if (!node(depth + 1)) return false;
    }
    return put(kListOpsClose);
  }

  bool put(int64_t token) {
    tokens_.push_back(static_cast<char>(token));
    return static_cast<int64_t>(tokens_.size()) < parameters_.max_length;
  }

  ListOpsParameters parameters_;
  Random random_;
  std::string tokens_;
};

int64_t apply(char op, std::vector<int64_t>& arguments) {
  std::sort(arguments.begin(), arguments.end());
  const size_t n = arguments.size();
  switch (op) {
    case kListOpsMin:
      return arguments.front();
    case kListOpsMax:
      return arguments.back();
    case kListOpsMed:
      return (arguments[(n - 1) / 2] + arguments[n / 2]) / 2;
    default:
      return std::accumulate(arguments.begin(), arguments.end(), int64_t{0}) % 10;
  }
}

char token_of(std::string_view word) {
  const auto found = std::find(kNames.begin() + 1, kNames.end(), word);
  if (found == kNames.end()) {
    throw std::invalid_argument(fmt::format("unknown token '{}'", word.substr(0, 32)));
  }
  return static_cast<char>(found - kNames.begin());
}

/// The tokens of a source without its parentheses.
std::string read_tokens(std::string_view source, int64_t longest) {
  std::string tokens;
  for (bool more = true; more;) {
    const size_t blank = source.find(' ');
    const std::string_view word = source.substr(0, blank);
    more = blank != std::string_view::npos;
    source.remove_prefix(more ? blank + 1 : source.size());
    if (word == "(" || word == ")") continue;
    if (static_cast<int64_t>(tokens.size()) == longest) {
      throw std::invalid_argument(fmt::format("more than {} tokens", longest));
    }
    tokens.push_back(token_of(word));
  }
  return tokens;
}

}  // namespace

std::vector<ListOpsExample> generate_listops(const ListOpsParameters& parameters, int64_t count) {
  Generator generator(parameters);
  std::unordered_set<std::string> kept;
  std::vector<const std::string*> in_order;
  for (int64_t fruitless = 0; static_cast<int64_t>(kept.size()) < count; ++fruitless) {
    if (fruitless == kMostFruitlessDraws) {
      throw UsageError(
          fmt::format("task: {} draws in a row gave no new ListOps expression, at {} of {}; lower "
                      "task.train or widen task.min_length .. task.max_length",
                      kMostFruitlessDraws, kept.size(), count));
    }
    if (!generator.draw()) continue;
    const auto [place, fresh] = kept.insert(generator.tokens());
    if (!fresh) continue;
    in_order.push_back(&*place);
    fruitless = -1;
  }
  // Where short expressions run out, later draws are longer: the order must not tell.
  Random random({kStream, parameters.data_seed, 1});
  std::vector<ListOpsExample> examples;
  for (const int64_t i : random.distinct(count, count)) {
    examples.push_back({*in_order[i], listops_value(*in_order[i])});
  }
  return examples;
}

int64_t listops_value(std::string_view tokens) {
  std::string operators;
  std::vector<std::vector<int64_t>> arguments(1);  // of the operators that are open, root's last
  for (const char token : tokens) {
    if (operators.empty() && !arguments[0].empty()) {
      throw std::invalid_argument("something follows the end of the expression");
    }
    if (is_operator(token)) {
      operators.push_back(token);
      arguments.emplace_back();
    } else if (is_digit(token)) {
      arguments.back().push_back(token - kListOpsZero);
    } else {
      if (operators.empty()) throw std::invalid_argument("a ']' that closes nothing");
      if (arguments.back().empty()) throw std::invalid_argument("an operator without arguments");
      const int64_t value = apply(operators.back(), arguments.back());
      operators.pop_back();
      arguments.pop_back();
      arguments.back().push_back(value);
    }
  }
  if (!operators.empty()) throw std::invalid_argument("an operator that is not closed");
  if (arguments[0].empty()) throw std::invalid_argument("no expression");
  return arguments[0][0];
}

std::string listops_text(std::string_view tokens) {
  // Parentheses that an operator opens: one for each argument and one for its closing bracket.
  std::vector<size_t> open;
  std::vector<int64_t> pairs(tokens.size(), 0);
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!open.empty()) ++pairs[open.back()];
    if (is_operator(tokens[i])) open.push_back(i);
    if (tokens[i] == kListOpsClose) open.pop_back();
  }
  std::string text;
  size_t depth = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    for (int64_t pair = 0; pair < pairs[i]; ++pair) text += "( ";
    text += kNames[tokens[i]];
    depth += is_operator(tokens[i]);
    if (!is_operator(tokens[i]) && depth > 0) text += " )";
    if (tokens[i] == kListOpsClose && --depth > 0) text += " )";
    if (i + 1 < tokens.size()) text += ' ';
  }
  return text;
}

ListOpsExample parse_listops(std::string_view source, std::string_view target, int64_t longest) {
  ListOpsExample example{read_tokens(source, longest), 0};
  example.label = listops_value(example.tokens);
  if (listops_text(example.tokens) != source) {
    throw std::invalid_argument("parentheses that do not fit the brackets");
  }
  if (target != std::to_string(example.label)) {
    throw std::invalid_argument(
        fmt::format("target '{}' where the value is {}", target.substr(0, 32), example.label));
  }
  return example;
}

int64_t listops_vocabulary(ListOpsTokenizer tokenizer) {
  return tokenizer == ListOpsTokenizer::brackets ? 17 : 16;
}

std::vector<int64_t> listops_ids(std::string_view tokens, ListOpsTokenizer tokenizer) {
  if (tokenizer == ListOpsTokenizer::brackets) return {tokens.begin(), tokens.end()};
  std::vector<int64_t> ids;
  for (const char token : tokens) {
    if (token != kListOpsClose) ids.push_back(token < kListOpsClose ? token : token - 1);
  }
  return ids;
}

}  // namespace luna::experiments
