// The arguments of one CPU pipeline, kept between tiles: only data pointers and the token count
// change.
#pragma once

#include <HalideRuntime.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "runtime/kernels/registry.h"

namespace luna::kernels {

struct Dim {
  int64_t extent, stride;  ///< in elements, Halide order (innermost first)
};

class TileCall {
 public:
  /// Throws when no pipeline of that name was compiled.
  explicit TileCall(const std::string& name);
  TileCall(const TileCall&) = delete;
  TileCall& operator=(const TileCall&) = delete;

  /// Appends a buffer argument and returns its index.
  size_t add(const float* data, std::initializer_list<Dim> dims);
  size_t add(const int32_t* data, std::initializer_list<Dim> dims);
  void add(float value);
  void add(int32_t value);

  /// Points buffer `index` at a tile; its outermost dimension is the token's.
  void point(size_t index, const float* data, int64_t tokens);

  /// Runs the pipeline; a Halide error becomes a c10::Error that names it.
  void run();

 private:
  static constexpr int kMaxArguments = 32;
  struct Slot {
    halide_buffer_t buffer;
    halide_dimension_t dims[2];
    union {
      float real;
      int32_t integer;
    };
  };
  size_t add_buffer(const void* data, halide_type_t type, std::initializer_list<Dim> dims);
  Slot& next();

  std::string name_;
  Pipeline pipeline_;
  size_t count_ = 0;
  Slot slots_[kMaxArguments];
  void* pointers_[kMaxArguments];
};

}  // namespace luna::kernels
