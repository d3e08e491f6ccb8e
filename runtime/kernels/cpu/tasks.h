// How work is cut: a task is one slot of tokens of one (b, h), a call one tile of a slot. Slots are
// fixed by the shape alone, and their sums are combined in slot order in float64, so that results
// do not depend on the number of threads.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>

#include "generators/common/tiles.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels {

struct Task {
  int64_t b, h, slot;
  int64_t first, tokens;  ///< token range
  bool operator==(const Task& other) const {
    return b == other.b && h == other.h && slot == other.slot && first == other.first &&
           tokens == other.tokens;
  }
};

class Tasks {
 public:
  Tasks(int64_t B, int64_t H, int64_t N, int64_t slot_tokens = kSlotTokens)
      : H_(H),
        N_(N),
        slot_tokens_(slot_tokens),
        slots_(std::max<int64_t>(1, (N + slot_tokens - 1) / slot_tokens)),
        count_(B * H * slots_) {}

  int64_t count() const { return count_; }
  int64_t slots() const { return slots_; }
  /// Of the longest.
  int64_t tokens() const { return std::min(slot_tokens_, N_); }

  Task operator[](int64_t index) const {
    const int64_t slot = index % slots_, head = index / slots_;
    const int64_t first = slot * slot_tokens_;
    return {head / H_, head % H_, slot, first, std::min(slot_tokens_, N_ - first)};
  }

  /// Calls body(begin, end) on ranges of task indices, in parallel.
  template <typename Body>
  void run(const Body& body) const {
    at::parallel_for(0, count_, 1, body);
  }

 private:
  int64_t H_, N_, slot_tokens_, slots_, count_;
};

/// Of x [B, H, N, ...].
inline Tasks tasks_of(const at::Tensor& x) { return {x.size(0), x.size(1), x.size(2)}; }

/// The same where every task costs a state of its own once more: a head's tokens are cut only as
/// far as there are fewer heads than kEnoughHeads, into like parts of at least `least` tokens,
/// multiples of `step`, and at most kLongestSum, since a task's sums are in float32.
inline Tasks long_tasks_of(const at::Tensor& x, int64_t least, int64_t step) {
  constexpr int64_t kEnoughHeads = 8, kLongestSum = 4096;
  const int64_t heads = std::max<int64_t>(1, x.size(0) * x.size(1)), N = x.size(2);
  const int64_t wanted = (kEnoughHeads + heads - 1) / heads;
  const int64_t most = std::clamp(N / wanted, least, kLongestSum);
  const int64_t slots = std::max<int64_t>(1, (N + most - 1) / most);
  return {x.size(0), x.size(1), N,
          tiles::round_up(std::max<int64_t>(1, (N + slots - 1) / slots), step)};
}

/// Calls body(first, tokens) for each tile of the task.
template <typename Body>
void for_each_tile(const Task& task, int64_t tile, const Body& body) {
  for (int64_t n = 0; n < task.tokens; n += tile) {
    body(task.first + n, std::min(tile, task.tokens - n));
  }
}

/// A [B, heads, tokens, width] tensor whose last stride is 1, or [B, heads, tokens], as raw memory.
/// (Asked for as constant: a user's may be copied on write, which threads may not; written are
/// tensors of the kernels' own.)
struct Rows {
  float* data;
  int64_t batch, head, row, width;

  explicit Rows(const at::Tensor& t)
      : data(const_cast<float*>(t.const_data_ptr<float>())),
        batch(t.stride(0)),
        head(t.stride(1)),
        row(t.size(2) > 1 ? t.stride(2) : 0),
        width(t.dim() == 4 ? t.size(3) : 1) {}
  Rows(const at::Tensor& t, float* constant) : data(constant), batch(0), head(0), row(0), width(1) {
    if (t.defined()) {
      *this = Rows(t);
    }
  }
  float* at(int64_t b, int64_t h, int64_t n) const { return data + b * batch + h * head + n * row; }
};

}  // namespace luna::kernels
