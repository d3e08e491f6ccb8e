#include "tests/support/predict/table.h"

#include <fmt/format.h>

#include <algorithm>

#include "experiments/bench/sweep.h"

namespace luna::test {
namespace {

constexpr int64_t kTokens = 2048, kDecodedSequences = 64;
constexpr int kNumberWidth = 9;

bool begins(const std::string& name, const char* with) { return name.rfind(with, 0) == 0; }

/// LUNA's kernels with another table.
bool is_other_psi(const bench::Operator& op) { return begins(op.name, "luna-"); }

bool is_main(const bench::Operator& op) { return op.name == "luna" || op.name == "elu"; }

/// LUNA under options of the tuner's, all of which but causal ones have a target for ch_rms.
bool is_option(const bench::Operator& op) { return op.name == "pwl" || begins(op.name, "dense_"); }

bool in_report(const bench::Operator& op) {
  const auto& report = bench::operators();
  return std::any_of(report.begin(), report.end(),
                     [&](const bench::Operator& one) { return one.name == op.name; });
}

bool by_default(const autotune::Call& call) {
  const bool half = call.dtype != at::kFloat;
  if (call.op.decodes) return true;
  if (is_option(call.op)) {
    return !call.causal && (call.op.name == "pwl" || call.op.name == "dense_gelu");
  }
  if (call.causal) return is_main(call.op) && call.dtype != at::kHalf;
  if (call.d == 64) return !half || !is_other_psi(call.op);
  return !half && (is_main(call.op) || (call.d == 32 && in_report(call.op)));
}

/// In the order of the table.
std::vector<autotune::Call> calls() {
  std::vector<autotune::Call> all;
  for (const bench::Operator& op : bench::all_operators(c10::kCUDA)) {
    if (op.kind != bench::OperatorKind::kFused) continue;
    for (const int64_t d : {64, 32, 128}) {
      for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
        all.push_back({op, d, false, dtype});
      }
    }
    // (Angles of cosformer change with every later token.)
    if (op.map != "cosformer") all.push_back({op, 64, true, at::kFloat});
    if (is_main(op)) all.push_back({op, 64, true, at::kBFloat16});
  }
  for (const autotune::Call& call : autotune::tuned_calls(c10::kCUDA)) {
    const bool causal_luna = call.op.name == "pwl" && call.causal;
    if (is_option(call.op) && !causal_luna) all.push_back(call);
  }
  for (const bench::Operator& op : bench::decode_operators()) {
    if (op.kind == bench::OperatorKind::kFused) all.push_back({op, 64, false, at::kFloat});
  }
  return all;
}

}  // namespace

std::string TableEntry::label() const {
  const std::string& name = call.op.name;
  if (!is_option(call.op)) return name;
  return fmt::format("luna{}{}", name == "pwl" ? "" : ", " + name, call.causal ? "" : ", ch_rms");
}

std::string TableEntry::pass_name() const {
  return fmt::format("{}{}", call.causal ? "causal " : "", bench::name_of(pass));
}

std::vector<TableEntry> table_entries() {
  std::vector<TableEntry> entries;
  for (const autotune::Call& call : calls()) {
    const bench::Size size = call.size(1, call.op.decodes ? kDecodedSequences : kTokens);
    for (const bench::Pass pass : bench::passes_of(call.op)) {
      entries.push_back({call, size, pass, !by_default(call)});
    }
  }
  return entries;
}

Table::Table(const std::vector<TableEntry>& entries) {
  for (const TableEntry& entry : entries) {
    label_width_ = std::max(label_width_, entry.label().size());
    pass_width_ = std::max(pass_width_, entry.pass_name().size());
  }
}

std::string table_head(const std::vector<TableEntry>& entries) {
  const bench::Size size = entries.front().size;
  return fmt::format(
      "PREDICTION, not a measurement: no GPU was used. PTX instructions that a warp executes for a "
      "token of one head (the interpreter of make test; N {}, m {}, L {}, hid {});\nissued: the "
      "machine instructions that ptxas makes of them for sm_90 (without ptxas: the same number); "
      "ns at full issue on an H100 SXM: issued / 4 / (132 x 1.755 GHz).\nLaunches, waiting for "
      "memory (all that a decoding step does), ATen's operators between the kernels and psi's "
      "table, made once a call, are not in it.\nsectors: of 32 bytes of global memory that loads "
      "and stores touch, access by access. decode: one token of {} sequences. Half precision: "
      "where it has kernels of its own.\n{}",
      kTokens, size.m, size.L, size.hid, kDecodedSequences,
      has_cuda_cpp() ? "" : "Halide's kernels alone, as in a build without nvcc.\n");
}

std::string Table::names() const {
  std::string text = fmt::format("{:<{}}  {:>3} {:<5} {:<{}}", "operator", label_width_, "d",
                                 "dtype", "pass", pass_width_);
  for (const char* name : {"fma", "float", "integer", "shared", "global", "control", "other", "all",
                           "issued", "sectors", "ns"}) {
    text += fmt::format("{:>{}}", name, kNumberWidth);
  }
  return text + "  pipeline\n";
}

std::string Table::begin(const TableEntry& entry) const {
  return fmt::format("{:<{}}  {:>3} {:<5} {:<{}}", entry.label(), label_width_, entry.call.d,
                     dtype_name(entry.call.dtype), entry.pass_name(), pass_width_);
}

std::string Table::rows(const TableEntry& entry) const {
  // Causal calls keep features in float32, and read tokens in whatever dtype.
  if (!entry.call.causal && !has_own_kernels(entry.call)) return "";
  std::string text;
  double ns = 0;
  for (const Prediction& p : predict(entry.call, entry.size, entry.pass)) {
    const PtxCounts& c = p.counts;
    text += begin(entry);
    for (const uint64_t count : {c.fma, c.other_float, c.integer, c.shared_memory, c.global_memory,
                                 c.control, c.other, c.total()}) {
      text += fmt::format("{:>{}.1f}", p.per_token(count), kNumberWidth);
    }
    text +=
        fmt::format("{:>{}.1f}{:>{}.1f}{:>{}.3f}  {}\n", p.issued_per_token(), kNumberWidth,
                    p.sectors_per_token(), kNumberWidth, p.issue_ns(), kNumberWidth, p.pipeline);
    ns += p.issue_ns();
  }
  return text + fmt::format("{}{:>{}.3f}  together\n", begin(entry), ns, 11 * kNumberWidth);
}

}  // namespace luna::test
