// The arguments of one CUDA pipeline: torch's tensors as they lie, on the tensors' device and
// torch's current stream.
#pragma once

#include <ATen/ATen.h>

#include "runtime/halide/cuda_driver.h"
#include "runtime/kernels/argument_list.h"

namespace luna::kernels::cuda {

/// Where the pipelines come from and whose memory they take. The tests run the same generators
/// compiled for the CPU through the same launchers.
struct Backend {
  const char* suffix;                    ///< of the pipelines' names
  Pipeline (*find)(const std::string&);  ///< the pipeline of that name, or nullptr
  bool device;                           ///< CUDA tensors on a stream; else CPU tensors
};

/// The compiled CUDA pipelines.
extern const Backend kDevice;

class KernelCall : public ArgumentList {
 public:
  /// `like`: a tensor on the device of all that follow. pass: the name without the suffix.
  KernelCall(const Backend& backend, const std::string& pass, const at::Tensor& like);

  /// Appends a float32 or int32 tensor of up to 6 dimensions; Halide's dimension 0 is its last. An
  /// undefined or empty tensor is refused: pipelines are not called on nothing.
  void add(const at::Tensor& tensor);
  using ArgumentList::add;

 private:
  const bool on_device_;
  const c10::Device device_;
  halide::CudaPlace place_{};
};

}  // namespace luna::kernels::cuda
