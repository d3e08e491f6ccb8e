#include "runtime/kernels/argument_list.h"

#include <c10/util/Exception.h>
#include <fmt/ranges.h>

#include <limits>

#include "runtime/halide/error.h"

namespace luna::kernels {

int32_t narrow(const char* name, const char* what, int64_t value) {
  TORCH_CHECK_VALUE(value <= std::numeric_limits<int32_t>::max(), "luna: ", name, ": ", what,
                    " of ", value, " elements is beyond 32-bit indexing; pass contiguous tensors, ",
                    "or split the batch");
  return static_cast<int32_t>(value);
}

ArgumentList::ArgumentList(const std::string& name, Pipeline pipeline)
    : name_(name), pipeline_(pipeline) {
  TORCH_INTERNAL_ASSERT(pipeline_, "no Halide pipeline '", name, "' was compiled");
}

ArgumentList::Slot& ArgumentList::next() {
  TORCH_INTERNAL_ASSERT(count_ < kMaxArguments, name_, ": too many arguments");
  return slots_[count_++];
}

size_t ArgumentList::add_buffer(halide_type_t type, int dimensions) {
  Slot& slot = next();
  slot.buffer = halide_buffer_t();
  slot.buffer.type = type;
  slot.buffer.dimensions = dimensions;
  slot.buffer.dim = slot.dims;
  pointers_[count_ - 1] = &slot.buffer;
  return count_ - 1;
}

void ArgumentList::add(float value) {
  Slot& slot = next();
  slot.real = value;
  pointers_[count_ - 1] = &slot.real;
}

void ArgumentList::add(double value) {
  Slot& slot = next();
  slot.wide = value;
  pointers_[count_ - 1] = &slot.wide;
}

void ArgumentList::add(int32_t value) {
  Slot& slot = next();
  slot.integer = value;
  pointers_[count_ - 1] = &slot.integer;
}

void ArgumentList::add_pointer(void* value) {
  Slot& slot = next();
  slot.pointer = value;
  pointers_[count_ - 1] = &slot.pointer;
}

halide_dimension_t ArgumentList::dimension(int64_t extent, int64_t stride) const {
  const char* const name = name_.c_str();
  return {0, narrow(name, "an extent", extent), narrow(name, "a stride", stride)};
}

std::string ArgumentList::describe() const {
  std::vector<std::string> shapes;
  for (size_t k = 0; k < count_; k++) {
    const halide_buffer_t& buffer = slots_[k].buffer;
    if (pointers_[k] != &buffer) {
      continue;
    }
    std::vector<int32_t> extents;
    for (int axis = buffer.dimensions - 1; axis >= 0; axis--) {
      extents.push_back(buffer.dim[axis].extent);
    }
    shapes.push_back(fmt::format("[{}]", fmt::join(extents, ", ")));
  }
  return fmt::format("{} on {}", name_, fmt::join(shapes, " "));
}

void ArgumentList::run() {
  halide::take_error();
  if (const int code = pipeline_(pointers_)) {
    halide::fail(code, describe());
  }
}

}  // namespace luna::kernels
