#include "experiments/bench/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <regex>
#include <set>
#include <stdexcept>

#include "experiments/bench/bench.h"
#include "experiments/config/options.h"

namespace luna::bench {
namespace {

using experiments::UsageError;

constexpr int64_t kMostTokens = 1 << 24;
constexpr int64_t kGpuTokens = 65536, kGpuHeads = 16, kGpuHeadSize = 64;  // B N, H, d
const Size kDecode{"decode", 512, 8, 1, 64, 16, 8, 64};

bool decodes(const Size& size) { return size.name == kDecode.name; }

/// At a number of tokens; none where the text is no such number.
std::vector<Size> sizes_of_tokens(const std::string& text, c10::DeviceType device) {
  std::smatch parts;
  if (!std::regex_match(text, parts, std::regex("([1-9][0-9]{0,7})(k?)(:(32|64|128))?"))) return {};
  const int64_t N = std::stoll(parts[1]) * (parts[2].length() > 0 ? 1024 : 1);
  const bool cpu = device == c10::kCPU, has_head_size = parts[3].matched;
  if (N > kMostTokens || (cpu && has_head_size)) return {};
  const std::string name = fmt::format("N {}", N);
  if (!cpu) {
    const int64_t d = has_head_size ? std::stoll(parts[4]) : kGpuHeadSize;
    return {{name, std::max<int64_t>(1, kGpuTokens / N), kGpuHeads, N, d, 16, 8, 64}};
  }
  std::vector<Size> sizes;
  for (const int64_t d : {32, 64, 128}) sizes.push_back({name, 1, 8, N, d, 16, 8, 64});
  return sizes;
}

/// What is timed at a size.
const std::vector<Operator>& operators_at(const Size& size, c10::DeviceType device) {
  return decodes(size) ? decode_operators() : all_operators(device);
}

/// All on a CPU; on a GPU those of the report's table and SDPA, at every size before the others.
bool comes_early(const Operator& op, c10::DeviceType device) {
  const auto same = [&](const Operator& other) { return other.name == op.name; };
  return device == c10::kCPU || op.map == "softmax" ||
         std::any_of(operators().begin(), operators().end(), same);
}

std::vector<bool> modes_of(const Size& size) {
  return decodes(size) ? std::vector<bool>{true} : std::vector<bool>{false, true};
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

SweepRow row_of(const Operator& op, Pass pass, at::ScalarType dtype, const Group& group) {
  reports::BenchRow facts;
  facts.dtype = dtype == at::kFloat ? "float32" : "bfloat16";
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
  return {&op, pass, dtype, facts};
}

constexpr size_t kLongestFilter = 1000;  // std::regex reads one recursively

/// In polynomial time, which needs no backtracking and has no back-references.
std::regex expression(const std::string& filter) {
  if (filter.size() > kLongestFilter) {
    throw UsageError(fmt::format("--filter has {} characters; up to {} are read", filter.size(),
                                 kLongestFilter));
  }
  try {
    return std::regex(filter, std::regex::ECMAScript | std::regex_constants::__polynomial);
  } catch (const std::regex_error&) {
    throw UsageError("--filter '" + filter +
                     "' is no regular expression without back-references; put a backslash before "
                     "what stands for itself");
  }
}

}  // namespace

std::vector<Pass> passes_of(const Operator& op) {
  if (op.decodes) return {Pass::kDecode};
  return {Pass::kForward, Pass::kForwardBackward};
}

const std::vector<std::string>& usual_sweep(c10::DeviceType device) {
  static const std::vector<std::string> cpu = {"A",  "B",  "decode", "64", "256",
                                               "1k", "4k", "16k",    "64k"};
  static const std::vector<std::string> cuda = {
      "decode", "64",      "256",    "1k",     "2k",      "4k",     "8k",     "16k",
      "32k",    "64k",     "64:32",  "256:32", "1k:32",   "4k:32",  "16k:32", "64k:32",
      "64:128", "256:128", "1k:128", "4k:128", "16k:128", "64k:128"};
  return device == c10::kCPU ? cpu : cuda;
}

std::vector<Size> sweep_sizes(const std::vector<std::string>& names, c10::DeviceType device) {
  std::vector<Size> sizes;
  for (const std::string& name : names) {
    std::vector<Size> found = sizes_of_tokens(name, device);
    if (name == kDecode.name) found.push_back(kDecode);
    for (const Size& size : standard_sizes()) {
      if (size.name == name) found.push_back(size);
    }
    if (found.empty()) {
      throw UsageError(
          fmt::format("unknown size '{}'; known: A, B, decode and numbers of tokens from 1 to "
                      "16384k such as 64 or 4k{}",
                      name, device == c10::kCPU ? "" : ", 4k:32 and 4k:128 for other d than 64"));
    }
    sizes.insert(sizes.end(), found.begin(), found.end());
  }
  return sizes;
}

std::vector<Group> sweep_groups(const std::vector<Size>& sizes, const std::vector<int>& threads,
                                const std::string& filter, c10::DeviceType device) {
  const std::regex wanted = expression(filter);
  const bool cpu = device == c10::kCPU;
  const std::vector<at::ScalarType> dtypes =
      cpu ? std::vector{at::kFloat} : std::vector{at::kFloat, at::kBFloat16};
  std::set<std::string> keys;
  const auto add = [&](Group& group, const Operator& op) {
    for (const at::ScalarType dtype : dtypes) {
      for (const Pass pass : passes_of(op)) {
        SweepRow row = row_of(op, pass, dtype, group);
        const std::string key = row.facts.key();
        if (std::regex_search(key, wanted) && keys.insert(key).second) group.rows.push_back(row);
      }
    }
  };
  std::vector<Group> groups;
  for (const bool early : {true, false}) {
    for (const Size& size : sizes) {
      for (const bool causal : modes_of(size)) {
        for (const int count : threads) {
          Group group{size, causal, count, {}};
          for (const Operator& op : operators_at(size, device)) {
            if (comes_early(op, device) == early) add(group, op);
          }
          if (!group.rows.empty()) groups.push_back(std::move(group));
        }
      }
    }
  }
  if (groups.empty()) throw UsageError("--filter '" + filter + "' leaves no row");
  return groups;
}

}  // namespace luna::bench
