// The arguments of one Halide pipeline, in declaration order, and its call. TileCall (kernels/cpu)
// and KernelCall (kernels/cuda) say what the arguments are.
#pragma once

#include <HalideRuntime.h>

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/kernels/registry.h"

namespace luna::kernels {

/// The value, `what` of a buffer of the pipeline `name`, in elements; throws where it is beyond 32
/// bits, in which Halide counts.
int32_t narrow(const char* name, const char* what, int64_t value);

class ArgumentList {
 public:
  static constexpr int kMaxDims = 6;

  /// Throws when there is no pipeline, which means that none of that name was compiled.
  ArgumentList(const std::string& name, Pipeline pipeline);
  ArgumentList(const ArgumentList&) = delete;
  ArgumentList& operator=(const ArgumentList&) = delete;

  void add(float value);
  void add(double value);
  void add(int32_t value);

  /// Runs the pipeline; a Halide error becomes a c10::Error that names it and its buffers.
  void run();

 protected:
  /// Appends a buffer of `dimensions` dimensions without memory; the caller fills the rest.
  size_t add_buffer(halide_type_t type, int dimensions);
  void add_pointer(void* value);
  /// A dimension that begins at 0, in elements. Throws where one of the two is beyond 32 bits, in
  /// which Halide counts.
  halide_dimension_t dimension(int64_t extent, int64_t stride) const;
  halide_buffer_t& buffer(size_t index) { return slots_[index].buffer; }
  const std::string& name() const { return name_; }

 private:
  static constexpr int kMaxArguments = 40;
  /// Begins as it lies in memory: of 40 slots a call fills some 8.
  struct Slot {
    Slot() {}
    union {
      halide_buffer_t buffer;
    };
    union {
      halide_dimension_t dims[kMaxDims];
    };
    union {
      float real;
      double wide;
      int32_t integer;
      void* pointer;
    };
  };
  Slot& next();
  /// The pipeline's name and its buffers' shapes, outermost dimension first.
  std::string describe() const;

  std::string name_;
  Pipeline pipeline_;
  size_t count_ = 0;
  Slot slots_[kMaxArguments];
  void* pointers_[kMaxArguments];
};

}  // namespace luna::kernels
