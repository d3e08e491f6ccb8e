#include "runtime/kernels/cpu/tile_call.h"

namespace luna::kernels {
namespace {

uint8_t* host(const void* data) { return const_cast<uint8_t*>(static_cast<const uint8_t*>(data)); }

}  // namespace

size_t TileCall::add_host(const void* data, halide_type_t type, std::initializer_list<Dim> dims) {
  const size_t index = add_buffer(type, static_cast<int>(dims.size()));
  buffer(index).host = host(data);
  halide_dimension_t* out = buffer(index).dim;
  for (const Dim& dim : dims) *out++ = dimension(dim.extent, dim.stride);
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
  tile.host = host(data);
  tile.dim[tile.dimensions - 1].extent = static_cast<int32_t>(tokens);
}

}  // namespace luna::kernels
