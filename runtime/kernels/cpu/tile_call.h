// The arguments of one CPU pipeline, kept between tiles: only data pointers and the token count
// change.
#pragma once

#include <initializer_list>

#include "runtime/kernels/argument_list.h"

namespace luna::kernels {

struct Dim {
  int64_t extent, stride;  ///< in elements, Halide order (innermost first)
};

/// A dimension that begins at 0. Throws where extent, stride or the span of both is beyond 32 bits.
halide_dimension_t host_dimension(const char* name, const Dim& dim);

class TileCall : public ArgumentList {
 public:
  explicit TileCall(const std::string& name) : ArgumentList(name, find_pipeline(name)) {}

  /// Appends a buffer argument and returns its index.
  size_t add(const float* data, std::initializer_list<Dim> dims);
  size_t add(const int32_t* data, std::initializer_list<Dim> dims);
  using ArgumentList::add;

  /// Points buffer `index` at a tile; its outermost dimension is the token's.
  void point(size_t index, const float* data, int64_t tokens);
  /// The same, with another distance between tokens.
  void point(size_t index, const float* data, int64_t tokens, int64_t stride);

 private:
  size_t add_host(const void* data, halide_type_t type, std::initializer_list<Dim> dims);
};

}  // namespace luna::kernels
