// The arguments of a KernelCall, as the entry of a kernel in CUDA C++ takes them.
#pragma once

#include <HalideRuntime.h>

#include "runtime/halide/cuda_driver.h"

namespace luna::kernels::cuda {

/// How many blocks of `step` cover an extent.
constexpr int32_t blocks_of(int32_t extent, int32_t step) { return (extent + step - 1) / step; }

/// In declaration order.
class ArgumentReader {
 public:
  explicit ArgumentReader(void** arguments) : next_(arguments) {}

  template <typename Value>
  Value value() {
    return *static_cast<Value*>(*next_++);
  }
  const halide::CudaPlace& place() { return *value<const halide::CudaPlace*>(); }
  const halide_buffer_t& buffer() { return *static_cast<const halide_buffer_t*>(*next_++); }
  template <typename Data>
  Data* data() {
    return data_of<Data>(buffer());
  }
  template <typename Data>
  static Data* data_of(const halide_buffer_t& of) {
    return reinterpret_cast<Data*>(of.device);
  }

 private:
  void** next_;
};

}  // namespace luna::kernels::cuda
