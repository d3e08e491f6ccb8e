#include "experiments/bench/sweep.h"

#include <fmt/format.h>

#include <regex>
#include <stdexcept>

#include "experiments/bench/bench.h"
#include "experiments/config/options.h"

namespace luna::bench {
namespace {

using experiments::UsageError;

constexpr int64_t kHeadSizes[] = {32, 64, 128};
constexpr int64_t kMostTokens = 1 << 24;
const Size kDecode{"decode", 512, 8, 1, 64, 16, 8, 64};

bool decodes(const Size& size) { return size.name == kDecode.name; }

/// 0 where the text is no number of tokens.
int64_t tokens_of(const std::string& text) {
  std::smatch parts;
  if (!std::regex_match(text, parts, std::regex("([1-9][0-9]{0,7})(k?)"))) return 0;
  const int64_t tokens = std::stoll(parts[1]) * (parts[2].length() > 0 ? 1024 : 1);
  return tokens <= kMostTokens ? tokens : 0;
}

const char* kind_of(const Operator& op) {
  switch (op.kind) {
    case OperatorKind::kFused:
      return "fused";
    case OperatorKind::kEager:
      return "eager";
    case OperatorKind::kFlash:
    case OperatorKind::kScores:
      return "sdpa";
  }
  throw std::logic_error("an operator of no kind");
}

SweepRow row_of(const Operator& op, Pass pass, const Group& group) {
  reports::BenchRow facts;
  facts.name = op.name;
  facts.label = op.label;
  facts.map = op.map;
  facts.kind = kind_of(op);
  facts.B = group.size.B;
  facts.H = group.size.H;
  facts.N = group.size.N;
  facts.d = group.size.d;
  facts.threads = group.threads;
  facts.causal = group.causal;
  facts.pass = name_of(pass);
  return {&op, pass, facts};
}

std::regex expression(const std::string& filter) {
  try {
    return std::regex(filter);
  } catch (const std::regex_error&) {
    throw UsageError("--filter '" + filter + "' is no regular expression");
  }
}

}  // namespace

const std::vector<Operator>& operators_at(const Size& size) {
  return decodes(size) ? decode_operators() : all_operators();
}

std::vector<Pass> passes_of(const Operator& op) {
  if (op.decodes) return {Pass::kDecode};
  return {Pass::kForward, Pass::kForwardBackward};
}

const std::vector<std::string>& usual_sweep() {
  static const std::vector<std::string> names = {"A",  "B",  "decode", "64", "256",
                                                 "1k", "4k", "16k",    "64k"};
  return names;
}

std::vector<Size> sweep_sizes(const std::vector<std::string>& names) {
  std::vector<Size> sizes;
  for (const std::string& name : names) {
    bool known = name == kDecode.name;
    if (known) sizes.push_back(kDecode);
    for (const Size& size : standard_sizes()) {
      if (size.name == name) sizes.push_back(size), known = true;
    }
    const int64_t tokens = tokens_of(name);
    if (!known && tokens == 0) {
      throw UsageError(fmt::format(
          "unknown size '{}'; known: A, B, decode and numbers of tokens such as 64 or 4k", name));
    }
    for (const int64_t d : kHeadSizes) {
      if (tokens > 0) sizes.push_back({fmt::format("N {}", tokens), 1, 8, tokens, d, 16, 8, 64});
    }
  }
  return sizes;
}

std::vector<Group> sweep_groups(const std::vector<Size>& sizes, const std::vector<int>& threads,
                                const std::string& filter) {
  const std::regex wanted = expression(filter);
  std::vector<Group> groups;
  for (const Size& size : sizes) {
    for (const bool causal : {false, true}) {
      for (const int count : threads) {
        if (decodes(size) && !causal) continue;
        Group group{size, causal, count, {}};
        for (const Operator& op : operators_at(size)) {
          for (const Pass pass : passes_of(op)) {
            SweepRow row = row_of(op, pass, group);
            if (std::regex_search(row.facts.key(), wanted)) group.rows.push_back(row);
          }
        }
        if (!group.rows.empty()) groups.push_back(std::move(group));
      }
    }
  }
  if (groups.empty()) throw UsageError("--filter '" + filter + "' leaves no row");
  return groups;
}

}  // namespace luna::bench
