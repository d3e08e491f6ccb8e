#include "runtime/kernels/cpu/tile_call.h"

#include <c10/util/Exception.h>

#include "runtime/halide/error.h"

namespace luna::kernels {

TileCall::TileCall(const std::string& name) : name_(name), pipeline_(find_pipeline(name)) {
  TORCH_INTERNAL_ASSERT(pipeline_, "no Halide pipeline '", name, "' was compiled");
}

TileCall::Slot& TileCall::next() {
  TORCH_INTERNAL_ASSERT(count_ < kMaxArguments, name_, ": too many arguments");
  return slots_[count_++];
}

size_t TileCall::add_buffer(const void* data, halide_type_t type, std::initializer_list<Dim> dims) {
  Slot& slot = next();
  slot.buffer = {};
  slot.buffer.host = const_cast<uint8_t*>(static_cast<const uint8_t*>(data));
  slot.buffer.type = type;
  slot.buffer.dimensions = static_cast<int32_t>(dims.size());
  slot.buffer.dim = slot.dims;
  int k = 0;
  for (const Dim& dim : dims) {
    slot.dims[k++] =
        halide_dimension_t(0, static_cast<int32_t>(dim.extent), static_cast<int32_t>(dim.stride));
  }
  pointers_[count_ - 1] = &slot.buffer;
  return count_ - 1;
}

size_t TileCall::add(const float* data, std::initializer_list<Dim> dims) {
  return add_buffer(data, halide_type_of<float>(), dims);
}

size_t TileCall::add(const int32_t* data, std::initializer_list<Dim> dims) {
  return add_buffer(data, halide_type_of<int32_t>(), dims);
}

void TileCall::add(float value) {
  Slot& slot = next();
  slot.real = value;
  pointers_[count_ - 1] = &slot.real;
}

void TileCall::add(int32_t value) {
  Slot& slot = next();
  slot.integer = value;
  pointers_[count_ - 1] = &slot.integer;
}

void TileCall::point(size_t index, const float* data, int64_t tokens) {
  Slot& slot = slots_[index];
  slot.buffer.host = const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(data));
  slot.dims[slot.buffer.dimensions - 1].extent = static_cast<int32_t>(tokens);
}

void TileCall::run() { halide::check(pipeline_(pointers_), name_); }

}  // namespace luna::kernels
