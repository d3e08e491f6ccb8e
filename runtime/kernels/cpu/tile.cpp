#include "runtime/kernels/cpu/tile.h"

#include <algorithm>
#include <vector>

#include "runtime/halide/error.h"
#include "runtime/kernels/cpu/tile_call.h"
#include "runtime/kernels/registry.h"
#include "tile_column.h"
#include "tile_dot.h"
#include "tile_load_bf16.h"
#include "tile_load_f16.h"
#include "tile_load_f32.h"
#include "tile_squares.h"
#include "tile_store_bf16.h"
#include "tile_store_f16.h"
#include "tile_store_f32.h"
#include "tile_weigh.h"

namespace luna::kernels {
namespace {

/// Floats of a tile's features: what fits the nearest cache beside what it is multiplied with.
constexpr int64_t kTileFloats = 8192;
constexpr int64_t kMinTokens = 64, kMaxTokens = 256;

constexpr int64_t kLineFloats = 64 / sizeof(float);
static_assert(tiles::kRowColumns % (2 * kLineFloats) == 0, "rows are an even number of lines");
/// Floats of a row from which on states were added up faster with rows further apart (D 128: 85
/// against 81 GFLOP/s on Zen 3; D 64: 87 and 86).
constexpr int64_t kLongRow = 128;

/// Most features that a product sums at once: their rows stay near while all tokens meet them (D
/// 2176: 86 against 68 GFLOP/s on Zen 3; up to 512 features make no difference).
constexpr int64_t kSumAtOnce = 512;

constexpr halide_type_t kFloat32(halide_type_float, 32);
const float kOne = 1.0f;

halide_dimension_t tile_dimension(int64_t extent, int64_t stride) {
  return host_dimension("a tile", {extent, stride});
}

/// A buffer argument of a pipeline.
class View {
 public:
  View(const void* data, halide_type_t type, int64_t extent0, int64_t stride0, int64_t extent1,
       int64_t stride1)
      : dims_{tile_dimension(extent0, stride0), tile_dimension(extent1, stride1)} {
    fill(data, type, 2);
  }
  explicit View(const Matrix& m)
      : View(m.data, kFloat32, m.extent0, m.stride0, m.extent1, m.stride1) {}
  View(const float* data, int64_t extent, int64_t stride = 1)
      : dims_{tile_dimension(extent, stride), {}} {
    fill(data, kFloat32, 1);
  }
  View(const View&) = delete;  // it points into itself
  operator halide_buffer_t*() { return &buffer_; }

 private:
  void fill(const void* data, halide_type_t type, int dimensions) {
    buffer_ = halide_buffer_t();
    buffer_.host = const_cast<uint8_t*>(static_cast<const uint8_t*>(data));
    buffer_.type = type;
    buffer_.dimensions = dimensions;
    buffer_.dim = dims_;
  }
  halide_buffer_t buffer_;
  halide_dimension_t dims_[2];
};

/// A value of every token; nullptr: 1.
View or_one(const float* values, int64_t tokens) {
  return {values ? values : &kOne, tokens, values ? 1 : 0};
}

/// A storage dtype's edge pipelines; bfloat16 travels as its bits.
struct Storage {
  halide_type_t type;
  decltype(&tile_load_f32) load;
  decltype(&tile_store_f32) store;
};

const Storage& storage_of(at::ScalarType dtype) {
  static const Storage f32{kFloat32, tile_load_f32, tile_store_f32};
  static const Storage bf16{{halide_type_uint, 16}, tile_load_bf16, tile_store_bf16};
  static const Storage f16{{halide_type_float, 16}, tile_load_f16, tile_store_f16};
  TORCH_INTERNAL_ASSERT(dtype == at::kFloat || dtype == at::kBFloat16 || dtype == at::kHalf);
  return dtype == at::kFloat ? f32 : dtype == at::kBFloat16 ? bf16 : f16;
}

void check(int code, const char* name) {
  if (code) halide::fail(code, name);
}

/// A product's pipeline, which schedules may exchange.
void run(const Pipeline& pipeline, const char* name, const Matrix& rows, const Matrix& c,
         const Matrix& out, const float* factor, NextTile* next) {
  View views[] = {View(rows), View(c), or_one(factor, out.extent1), View(out)};
  uint64_t ahead = reinterpret_cast<uintptr_t>(next);
  void* arguments[] = {
      static_cast<halide_buffer_t*>(views[0]), static_cast<halide_buffer_t*>(views[1]),
      static_cast<halide_buffer_t*>(views[2]), &ahead, static_cast<halide_buffer_t*>(views[3])};
  check(pipeline(arguments), name);
}

/// Asks for memory that will be written, row after row: a product would ask for it column block by
/// column block, and wait (measured at N 4096, d 64: a tenth of the forward pass).
void touch(const Matrix& m) {
  for (int64_t n = 0; n < m.extent1; n++) {
    const float* row = m.data + n * m.stride1;
    for (int64_t i = 0; i < m.extent0; i += kLineFloats) __builtin_prefetch(row + i, 1, 2);
  }
}

bool aligned(const Matrix& m) {
  constexpr int64_t kBytes = 64;
  return reinterpret_cast<uintptr_t>(m.data) % kBytes == 0 &&
         m.stride1 * static_cast<int64_t>(sizeof(float)) % kBytes == 0;
}

}  // namespace

int64_t tile_tokens(int64_t features) {
  const int64_t fitting = kTileFloats / std::max<int64_t>(features, 1) / kMinTokens * kMinTokens;
  return std::clamp(fitting, kMinTokens, kMaxTokens);
}

Tile::Tile(int64_t width, int64_t tokens)
    : width_(tiles::round_up(std::max<int64_t>(width, 1), tiles::kRowColumns)),
      pitch_(width_ < kLongRow ? width_ : width_ + kLineFloats),
      memory_(
          c10::GetAllocator(c10::kCPU)->allocate(padded_tokens(tokens) * pitch_ * sizeof(float))),
      data_(static_cast<float*>(memory_.get())) {}

TokenRows::TokenRows(const at::Tensor& t) {
  if (!t.defined()) return;
  static char nothing[64];
  // Constant for the reason that Rows has (tasks.h).
  data_ = t.numel() ? static_cast<char*>(const_cast<void*>(t.const_data_ptr())) : nothing;
  batch_ = t.stride(0);
  head_ = t.stride(1);
  row_ = t.size(2) > 1 ? t.stride(2) : 0;
  tokens_ = t.size(2);
  width_ = t.size(3);
  element_ = static_cast<int64_t>(t.element_size());
  dtype_ = t.scalar_type();
}

void TokenRows::load(int64_t b, int64_t h, int64_t n, int64_t tokens, const float* weight,
                     float beyond, const Tile& tile, const float* factor) const {
  const Storage& storage = storage_of(dtype_);
  View x(at(b, h, n), storage.type, width_, 1, tokens, row_);
  check(storage.load(or_one(weight, tokens), or_one(factor, tokens), beyond, x,
                     View(tile.matrix(padded_tokens(tokens)))),
        "tile_load");
}

void TokenRows::store(int64_t b, int64_t h, int64_t n, int64_t tokens, const Matrix& rows,
                      const float* factor, bool selects) const {
  const Storage& storage = storage_of(dtype_);
  View out(at(b, h, n), storage.type, width_, 1, tokens, row_);
  check(storage.store(View(rows), or_one(factor, tokens), selects, out), "tile_store");
}

Matrix TokenRows::rows(int64_t b, int64_t h, int64_t n, int64_t tokens, const float* weight,
                       bool weight_is_one, float beyond, const Tile& tile) const {
  if (weight_is_one && lie_in_tile(tokens)) return in_place(b, h, n, tokens);
  load(b, h, n, tokens, weight, beyond, tile);
  return tile.matrix(padded_tokens(tokens));
}

Matrix TokenRows::target(int64_t b, int64_t h, int64_t n, int64_t tokens, const float* weight,
                         const Tile& tile) const {
  if (defined() && !weight && lie_in_tile(tokens)) {
    const Matrix own = in_place(b, h, n, tokens);
    if (aligned(own)) {
      touch(own);
      return own;
    }
  }
  return tile.matrix(padded_tokens(tokens));
}

void TokenRows::store_target(int64_t b, int64_t h, int64_t n, int64_t tokens, const Matrix& target,
                             const float* weight) const {
  if (reinterpret_cast<char*>(target.data) == at(b, h, n)) return;
  if (!weight) return store(b, h, n, tokens, target);
  std::vector<float> kept(tokens);
  for (int64_t k = 0; k < tokens; k++) kept[k] = weight[k] == 0 ? 0.0f : 1.0f;
  store(b, h, n, tokens, target, kept.data(), /*selects=*/true);
}

const float* TokenWeights::of(const Task& task, int64_t n, int64_t tokens) {
  const float* weight = rows_.at(task.b, task.h, n);
  float* values = values_.data();
  for (int64_t k = 0; k < tokens; k++) values[k] = weight[k * rows_.row];
  std::fill(values + tokens, values + padded_tokens(tokens), 0.0f);
  return values;
}

void product(const Matrix& rows, const Matrix& c, const Matrix& out, const float* factor,
             NextTile* next) {
  static const Pipeline& pipeline = pipeline_slot("tile_product");
  static const Pipeline& adding = pipeline_slot("tile_product_add");
  const int64_t count = c.extent0, first = std::min(kSumAtOnce, count);
  run(pipeline, "tile_product", rows.first1(first), c.first0(first), out, factor, next);
  for (int64_t k = first; k < count; k += kSumAtOnce) {
    const int64_t more = std::min(kSumAtOnce, count - k);
    run(adding, "tile_product_add", rows.part1(k, more), c.part0(k, more), out, factor, next);
  }
}

void state_add(const Matrix& phi, const Matrix& columns, const Matrix& last, int64_t dv,
               const Matrix& state, NextTile* next) {
  static const Pipeline& pipeline = pipeline_slot("tile_state_add");
  const int64_t padded = tiles::round_up(dv, tiles::kStateColumns);
  run(pipeline, "tile_state_add", phi, columns.first0(padded).transposed(), state.first1(padded),
      nullptr, next);
  if (padded > dv) return;
  add_column(phi, last, state.part1(dv, 1).data);
}

Matrix ones(int64_t tokens) { return {const_cast<float*>(&kOne), 1, 1, tokens, 0}; }

void dot(const Matrix& a, const Matrix& b, float* sum) {
  check(tile_dot(View(a), View(b), View(sum, a.extent1)), "tile_dot");
}

void add_column(const Matrix& rows, const Matrix& c, float* sum) {
  check(tile_column(View(rows), View(c.data, rows.extent1, c.stride1), View(sum, rows.extent0)),
        "tile_column");
}

void weigh(const Matrix& phi, const float* c, const Matrix& out) {
  check(tile_weigh(View(phi), View(c, phi.extent0), View(out)), "tile_weigh");
}

void add_squares(const Matrix& phi, float* sum) {
  check(tile_squares(View(phi), View(sum, phi.extent0)), "tile_squares");
}

}  // namespace luna::kernels
