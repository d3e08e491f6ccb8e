#include "reports/bench/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "reports/bench/crossover.h"
#include "reports/bench/samples.h"
#include "reports/bench/sections.h"
#include "reports/fields.h"
#include "reports/views/format.h"

namespace luna::reports {
namespace {

using nlohmann::json;

constexpr int64_t kShort = 64;  // tokens
constexpr double kMostOfArithmetic = 2;

std::string times_faster(double peer, double own) { return peer > 0 ? ratio(peer / own) : kNone; }

std::string nanoseconds(const BenchRow& row, double share) {
  return compact(row.token_head_ns(quantile(row.samples, share)));
}

std::string row_text(const BenchRow& row, const Rows& rows) {
  const double own = median(row.samples);
  const auto of_own = [&](const std::optional<double>& seconds) -> std::optional<double> {
    return seconds ? std::optional<double>(*seconds / own) : std::nullopt;
  };
  std::optional<double> token_bytes = row.peak_bytes;
  if (token_bytes) *token_bytes /= static_cast<double>(row.B) * static_cast<double>(row.N);
  return fmt::format("| {} | {} | {} | {} | {} to {} | {} | {} | {} | {} | {} |\n", row.N,
                     row.label, nanoseconds(row, 0), nanoseconds(row, 0.5), nanoseconds(row, 0.25),
                     nanoseconds(row, 0.75), percent(spread(row.samples)),
                     times_faster(fastest(rows, row.N, "eager", row.map), own),
                     times_faster(fastest(rows, row.N, "sdpa", ""), own),
                     percent(of_own(row.roofline_s)), compact(token_bytes));
}

std::string section_text(const Section& section) {
  std::string text = fmt::format(
      "\n### {}\n\n"
      "| N | operator | ns/token-head min | median | quartiles | % spread | vs eager | vs SDPA | "
      "% roofline | peak bytes/token |\n|--:|:--|--:|--:|--:|--:|--:|--:|--:|--:|\n",
      section.title);
  for (const BenchRow* row : section.rows) text += row_text(*row, section.rows);
  return text;
}

/// One line, a cell for every N: what `cell` says of the operator's row there.
template <typename Cell>
std::string line_by_N(const Rows& rows, const std::set<int64_t>& sizes, const std::string& label,
                      const std::string& name, const Cell& cell) {
  std::string text = "| " + label + " |";
  for (const int64_t N : sizes) {
    const auto found = std::find_if(rows.begin(), rows.end(), [&](const BenchRow* row) {
      return row->N == N && row->name == name;
    });
    text += " " + (found == rows.end() ? std::string(kNone) : cell(**found)) + " |";
  }
  return text + "\n";
}

/// Medians of all operators by N, under them the roofline of the first; empty for a single N.
std::string medians_by_N(const Section& section) {
  const Rows& rows = section.rows;
  std::set<int64_t> sizes;
  std::vector<const BenchRow*> operators;
  for (const BenchRow* row : rows) {
    sizes.insert(row->N);
    const bool there = std::any_of(operators.begin(), operators.end(),
                                   [&](const BenchRow* other) { return other->name == row->name; });
    if (!there) operators.push_back(row);
  }
  if (sizes.size() < 2) return "";
  std::string head = "| operator, at N |", rule = "|:--|";
  for (const int64_t N : sizes) head += fmt::format(" {} |", N), rule += "--:|";
  std::string text =
      fmt::format("\n### ns/token-head by N: {}\n\n{}\n{}\n", section.title, head, rule);
  for (const BenchRow* op : operators) {
    text += line_by_N(rows, sizes, op->label, op->name,
                      [](const BenchRow& row) { return nanoseconds(row, 0.5); });
  }
  const BenchRow& first = *operators.front();
  if (!first.roofline_s) return text;
  return text +
         line_by_N(rows, sizes, "roofline of " + first.label, first.name, [](const BenchRow& row) {
           return row.roofline_s ? compact(row.token_head_ns(*row.roofline_s)) : std::string(kNone);
         });
}

std::string decoding(const std::vector<Section>& sections) {
  std::string text;
  for (const Section& section : sections) {
    for (const BenchRow* row : section.rows) {
      if (row->pass != "decode") continue;
      text += fmt::format("| {} | {} | {} |\n", section.title, row->label,
                          rounded(static_cast<double>(row->B) / median(row->samples)));
    }
  }
  if (text.empty()) return "";
  return "\n### Decoding\n\n| sizes | operator | tokens/s |\n|:--|:--|--:|\n" + text;
}

/// Operations a second of the FMA peak that the row's number of threads was measured at.
std::optional<double> peak_of(const BenchRow& row, const json& ceilings) {
  std::optional<double> peak;
  for (const json& ceiling : ceilings) {
    const auto gflops = number(ceiling, "gflops");
    if (gflops && integer(ceiling, "threads") == row.threads) peak = 1e9 * *gflops;
  }
  return peak;
}

/// Said where there is such a row: why it may be beyond 100 % of its roofline.
std::string table_note(const BenchFile& file) {
  const auto counted_whole = [](const BenchRow& row) {
    return row.kind == "fused" && row.roofline_s && row.map.rfind("luna", 0) == 0;
  };
  if (std::none_of(file.rows.begin(), file.rows.end(), counted_whole)) return "";
  return "\nThe roofline counts the operations of the definition, D d multiplications a product. "
         "Over many tokens psi as a table takes fewer on a CPU (it adds up by segment) and may be "
         "beyond 100 %.\n";
}

/// How many short calls of this library cost at most twice their arithmetic: the rest is overhead.
std::string short_calls(const BenchFile& file) {
  int64_t all = 0, close = 0;
  for (const BenchRow& row : file.rows) {
    const auto peak = peak_of(row, file.ceilings);
    if (row.N != kShort || row.kind != "fused" || !row.flops || !peak) continue;
    ++all;
    if (median(row.samples) <= kMostOfArithmetic * *row.flops / *peak) ++close;
  }
  if (all == 0) return "";
  return fmt::format(
      "\nN = {}: {} of {} calls of this library take at most {:g} times their operations by the "
      "FMA peak\n",
      kShort, close, all, kMostOfArithmetic);
}

std::string state_text(const json& gpu, const char* when) {
  const json state = member(gpu, when);
  const auto value = [&](const char* key) { return compact(number(state, key)); };
  return fmt::format("{}: {} MHz, memory {} MHz, {} W", when, value("sm_mhz"), value("memory_mhz"),
                     value("watts"));
}

/// The GPU, its clocks and power before and after, and what it can do at the most.
std::string gpu_text(const BenchFile& file) {
  const json gpu = member(file.environment, "gpu");
  const json name = member(member(gpu, "before"), "name");
  std::string text = fmt::format("## Operators on {}\n\n{}; {}\n",
                                 name.is_string() ? name.get<std::string>() : "an unknown GPU",
                                 state_text(gpu, "before"), state_text(gpu, "after"));
  for (const json& ceiling : file.ceilings) {
    const auto flops = number(ceiling, "gflops");
    const json dtype = member(ceiling, "dtype");
    if (!flops || !dtype.is_string()) continue;
    text += fmt::format("\nAt the most, {}: {} TFLOP/s, {} GB/s\n", dtype.get<std::string>(),
                        compact(*flops / 1000), compact(number(ceiling, "gb_s")));
  }
  return text;
}

std::string machine_text(const BenchFile& file) {
  if (file.on_gpu()) return gpu_text(file);
  return fmt::format("## Operators on {}\n",
                     file.environment.value("cpu", std::string("an unknown processor"))) +
         table_note(file) + short_calls(file);
}

}  // namespace

std::string bench_table(const BenchFile& file) {
  const std::vector<Section> sections = sections_of(file);
  std::string text = machine_text(file);
  for (const Section& section : sections) {
    if (file.on_gpu()) text += medians_by_N(section);
  }
  for (const Section& section : sections) text += section_text(section);
  text += decoding(sections) + crossovers(sections);
  if (!file.left_out.empty()) text += "\n### Not timed\n\n";
  for (const std::string& line : file.left_out) text += "- " + line + "\n";
  return text;
}

}  // namespace luna::reports
