#include "runtime/kernels/cpu/next_tile.h"

#include <algorithm>

namespace luna::kernels {
namespace {

constexpr int64_t kLine = 64;

/// Most lines at a time. Emerald Rapids, ReLU forward, N 4096, d 64: with 32 a tenth slower, with
/// 16 likewise; d 32 and 128: within 2 % of each other.
constexpr int64_t kMostLines = 64;

int64_t lines_of(const MemoryRows& rows) { return (rows.bytes + kLine - 1) / kLine * rows.count; }

}  // namespace

NextTile::NextTile(int64_t tile, int64_t multiplications,
                   std::initializer_list<const TokenRows*> read,
                   std::initializer_list<const TokenRows*> written)
    : tile_(tile), multiplications_(multiplications) {
  TORCH_INTERNAL_ASSERT(read.size() + written.size() <= kMost);
  for (const TokenRows* rows : read) add(rows, false);
  for (const TokenRows* rows : written) add(rows, true);
}

void NextTile::add(const TokenRows* rows, bool written) {
  if (rows->defined()) sources_[sources_count_++] = {rows, written};
}

void NextTile::follow(int64_t b, int64_t h, int64_t n, int64_t tokens) {
  runs_count_ = run_ = 0;
  row_ = byte_ = 0;
  int64_t lines = 0;
  for (int k = 0; k < sources_count_; k++) {
    MemoryRows next = sources_[k].rows->memory(b, h, n + tokens, tile_);
    if (next.count == 0) continue;
    if (next.stride == next.bytes) next = {next.first, next.bytes * next.count, 0, 1};
    lines += lines_of(next);
    runs_[runs_count_++] = {next, sources_[k].written};
  }
  const int64_t products = std::max<int64_t>(1, tokens * multiplications_);
  pace_ = static_cast<double>(lines) / static_cast<double>(products);
  due_ = 0;
}

NextTile::Lines NextTile::take(int64_t most) {
  if (run_ == runs_count_) return {nullptr, 0, false};
  const auto& [memory, written] = runs_[run_];
  const int64_t rest = (memory.bytes - byte_ + kLine - 1) / kLine;
  const Lines lines{memory.first + row_ * memory.stride + byte_, std::min(most, rest), written};
  byte_ += lines.count * kLine;
  if (lines.count < rest) return lines;
  byte_ = 0;
  if (++row_ == memory.count) {
    row_ = 0;
    run_++;
  }
  return lines;
}

void NextTile::ask(int64_t multiplications) {
  due_ += pace_ * static_cast<double>(multiplications);
  const int64_t now = std::min(static_cast<int64_t>(due_), kMostLines);
  due_ -= static_cast<double>(now);
  for (int64_t left = now; left > 0;) {
    const auto [first, count, written] = take(left);
    if (count == 0) return;
    if (written) {
      for (int64_t k = 0; k < count; k++) __builtin_prefetch(first + k * kLine, 1, 2);
    } else {
      for (int64_t k = 0; k < count; k++) __builtin_prefetch(first + k * kLine, 0, 2);
    }
    left -= count;
  }
}

}  // namespace luna::kernels

/// What a product calls (generators/attention/tile/product.cpp).
extern "C" float luna_ask_ahead(uint64_t next_tile, int32_t multiplications) {
  if (next_tile) reinterpret_cast<luna::kernels::NextTile*>(next_tile)->ask(multiplications);
  return 0.0f;
}
