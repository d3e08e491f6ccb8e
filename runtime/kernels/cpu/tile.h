// Tiles: blocks of tokens in the cache, and the pipelines over them (generators/attention/tile)
// from which the CPU's passes are made.
#pragma once

#include <ATen/ATen.h>
#include <HalideRuntime.h>

#include "generators/common/tiles.h"
#include "runtime/kernels/cpu/tasks.h"

namespace luna::kernels {

/// Tokens of a tile whose features, `features` a token, are to stay in the nearest caches.
int64_t tile_tokens(int64_t features);

/// A matrix in memory: dimension 0 innermost, strides in floats.
struct Matrix {
  float* data;
  int64_t extent0, stride0, extent1, stride1;

  /// Dimensions exchanged.
  Matrix transposed() const { return {data, extent1, stride1, extent0, stride0}; }
  /// The first count of dimension 0, or of dimension 1.
  Matrix first0(int64_t count) const { return {data, count, stride0, extent1, stride1}; }
  Matrix first1(int64_t count) const { return part1(0, count); }
  /// count of dimension 0, from `first` on.
  Matrix part0(int64_t first, int64_t count) const {
    return {data + first * stride0, count, stride0, extent1, stride1};
  }
  /// count of dimension 1, from `first` on.
  Matrix part1(int64_t first, int64_t count) const {
    return {data + first * stride1, extent0, stride0, count, stride1};
  }
};

/// Rows of bytes in memory.
struct MemoryRows {
  const char* first;
  int64_t bytes, stride;  ///< of a row; from one to the next
  int64_t count;
};

class NextTile;

/// Memory of a tile: rows of `width` floats (padded to kRowColumns), `tokens` of them (padded to
/// kTokenBlock). Long rows lie an odd number of cache lines apart, so that a block of columns is
/// spread over all sets of the nearest cache.
class Tile {
 public:
  Tile(int64_t width, int64_t tokens);
  float* data() const { return data_; }
  int64_t width() const { return width_; }
  /// Floats from one row to the next.
  int64_t pitch() const { return pitch_; }
  float* row(int64_t n) const { return data_ + n * pitch_; }
  /// (width, tokens).
  Matrix matrix(int64_t tokens) const { return {data_, width_, 1, tokens, pitch_}; }

 private:
  int64_t width_, pitch_;
  at::DataPtr memory_;
  float* data_;
};

/// Tokens padded to whole blocks.
inline int64_t padded_tokens(int64_t tokens) { return tiles::round_up(tokens, tiles::kTokenBlock); }

/// Rows of a user's tensor [B, heads, tokens, width], last stride 1; undefined: no memory.
class TokenRows {
 public:
  explicit TokenRows(const at::Tensor& t);
  bool defined() const { return data_ != nullptr; }
  int64_t width() const { return width_; }

  /// Of (b, h), the tokens n, ... that there are, `most` of them at most.
  MemoryRows memory(int64_t b, int64_t h, int64_t n, int64_t most) const {
    const int64_t count = std::clamp<int64_t>(tokens_ - n, 0, most);
    return {count ? at(b, h, n) : nullptr, width_ * element_, row_ * element_, count};
  }

  /// Tokens n, ... of (b, h) times factor[token] (nullptr: 1) into the tile, widened to float32:
  /// `beyond` in column `width`, zeros from there on; zeros where weight[token] (nullptr: 1) is 0
  /// and in tokens that only pad.
  void load(int64_t b, int64_t h, int64_t n, int64_t tokens, const float* weight, float beyond,
            const Tile& tile, const float* factor = nullptr) const;
  /// The tokens as a tile would have them: where they lie, if nothing has to be padded, widened or
  /// selected, else loaded into `tile`. weight_is_one: no token is selected out.
  Matrix rows(int64_t b, int64_t h, int64_t n, int64_t tokens, const float* weight,
              bool weight_is_one, float beyond, const Tile& tile) const;
  /// Where tokens n, ... may be written before store_target(): where they lie, if nothing has to be
  /// padded, narrowed or selected by weights (nullptr: nothing), else `tile`.
  Matrix target(int64_t b, int64_t h, int64_t n, int64_t tokens, const float* weight,
                const Tile& tile) const;
  /// The tokens of a tile times factor[token] (nullptr: 1) into tokens n, ...; `selects`: 0 where
  /// the factor is 0.
  void store(int64_t b, int64_t h, int64_t n, int64_t tokens, const Matrix& rows,
             const float* factor = nullptr, bool selects = false) const;
  /// What the target() of these weights was filled with into tokens n, ...; zeros where
  /// weight[token] is 0.
  void store_target(int64_t b, int64_t h, int64_t n, int64_t tokens, const Matrix& target,
                    const float* weight) const;

 private:
  char* at(int64_t b, int64_t h, int64_t n) const {
    return data_ + (b * batch_ + h * head_ + n * row_) * element_;
  }
  /// Whether these tokens lie as a tile's would.
  bool lie_in_tile(int64_t tokens) const {
    return dtype_ == at::kFloat && width_ % tiles::kRowColumns == 0 &&
           tokens == padded_tokens(tokens) && row_ > 0;
  }
  Matrix in_place(int64_t b, int64_t h, int64_t n, int64_t tokens) const {
    return {reinterpret_cast<float*>(at(b, h, n)), width_, 1, tokens, row_};
  }
  char* data_ = nullptr;
  int64_t batch_ = 0, head_ = 0, row_ = 0, tokens_ = 0, width_ = 0, element_ = 0;
  at::ScalarType dtype_ = at::kFloat;
};

/// Weights [B, heads, N] (undefined: 1) of a tile's tokens, zeros where a token only pads.
class TokenWeights {
 public:
  TokenWeights(const at::Tensor& weight, int64_t tokens)
      : rows_(weight, &one_), values_(1, tokens) {}
  TokenWeights(const TokenWeights&) = delete;
  /// Of the task's tokens n, ...; valid until the next call.
  const float* of(const Task& task, int64_t n, int64_t tokens);
  /// Whether every weight is 1.
  bool are_one() const { return rows_.data == &one_; }
  const float* data() const { return values_.data(); }

 private:
  float one_ = 1.0f;
  Rows rows_;
  Tile values_;  ///< for its alignment
};

/// out(i, n) = factor[n] sum_k rows(i, k) c(k, n), without a factor 1; i padded to kRowColumns, n
/// to kTokenBlock, stride0 of rows and c is 1. next (nullptr: nothing) is asked for meanwhile.
void product(const Matrix& rows, const Matrix& c, const Matrix& out, const float* factor = nullptr,
             NextTile* next = nullptr);
/// state(D, e) += sum_n phi(D, n) columns(e, n), e <= dv; stride0 of both is 1. columns has dv
/// columns and, where these are no whole blocks of kStateColumns, the last one after them; else
/// that is `last`, by its tokens.
void state_add(const Matrix& phi, const Matrix& columns, const Matrix& last, int64_t dv,
               const Matrix& state, NextTile* next = nullptr);
/// A 1 for every token.
Matrix ones(int64_t tokens);
/// sum[n] = sum_k a(k, n) b(k, n); stride1 of b may be 0.
void dot(const Matrix& a, const Matrix& b, float* sum);
/// sum[i] += sum_n rows(i, n) c(0, n); rows as product() takes them.
void add_column(const Matrix& rows, const Matrix& c, float* sum);
/// out(D, n) = c[D] phi(D, n).
void weigh(const Matrix& phi, const float* c, const Matrix& out);
/// sum[D] += sum_n phi(D, n)^2.
void add_squares(const Matrix& phi, float* sum);

}  // namespace luna::kernels
