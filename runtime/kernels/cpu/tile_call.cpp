#include "runtime/kernels/cpu/tile_call.h"

namespace luna::kernels {
namespace {

/// Sets where the buffer's elements are. One without elements gets an address all the same: a null
/// pointer would ask Halide for the bounds, and the whole pipeline would compute nothing.
void place(halide_buffer_t& buffer, const void* data, const std::string& name) {
  alignas(64) static uint8_t nothing[64];
  TORCH_INTERNAL_ASSERT(data || buffer.number_of_elements() == 0, name, ": a buffer has no memory");
  buffer.host = data ? const_cast<uint8_t*>(static_cast<const uint8_t*>(data)) : nothing;
}

}  // namespace

halide_dimension_t host_dimension(const char* name, const Dim& dim) {
  const int32_t extent = narrow(name, "an extent", dim.extent),
                stride = narrow(name, "a stride", dim.stride);
  narrow(name, "a span", dim.extent * dim.stride);
  return {0, extent, stride};
}

size_t TileCall::add_host(const void* data, halide_type_t type, std::initializer_list<Dim> dims) {
  const size_t index = add_buffer(type, static_cast<int>(dims.size()));
  halide_dimension_t* out = buffer(index).dim;
  for (const Dim& dim : dims) *out++ = host_dimension(name().c_str(), dim);
  place(buffer(index), data, name());
  return index;
}

size_t TileCall::add(const float* data, std::initializer_list<Dim> dims) {
  return add_host(data, halide_type_of<float>(), dims);
}

size_t TileCall::add(const int32_t* data, std::initializer_list<Dim> dims) {
  return add_host(data, halide_type_of<int32_t>(), dims);
}

void TileCall::point(size_t index, const float* data, int64_t tokens) {
  halide_buffer_t& tile = buffer(index);
  tile.dim[tile.dimensions - 1].extent = static_cast<int32_t>(tokens);
  place(tile, data, name());
}

void TileCall::point(size_t index, const float* data, int64_t tokens, int64_t stride) {
  halide_buffer_t& tile = buffer(index);
  tile.dim[tile.dimensions - 1] = host_dimension(name().c_str(), {tokens, stride});
  place(tile, data, name());
}

}  // namespace luna::kernels
