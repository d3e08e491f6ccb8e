// The arguments of one CUDA pipeline: torch's tensors as they lie, on the tensors' device and
// torch's current stream.
#pragma once

#include <ATen/ATen.h>

#include "runtime/halide/cuda_driver.h"
#include "runtime/kernels/argument_list.h"

namespace luna::kernels::cuda {

/// What a call is about, by which its schedule is chosen: a device, and the tokens of all heads.
struct About {
  About(c10::Device device, int64_t rows = 0) : device(device), rows(rows) {}
  /// Of what a row is held of for every token of every head: all dimensions but the last.
  About(const at::Tensor& tokens);
  c10::Device device;
  int64_t rows;  ///< tokens of all heads, those that pad a chunk too; 0: not known
};

/// Where the pipelines come from, and what they may use.
struct Backend {
  const char* suffix;  ///< of the pipelines' names
  /// The pipeline of that name for such a call, or nullptr. Whether there is one depends on the
  /// name alone, within a generation of pipelines (registry.h).
  Pipeline (*find)(const std::string& name, const About& call);
  int64_t piece_bytes;  ///< of features in memory at a time (rows.h)
};

/// The compiled CUDA pipelines; pieces of 256 MiB.
extern const Backend kDevice;

/// Tokens of a slot, whose products one block sums, of so many in all and in the longest sequence:
/// few where there are few, so that every multiprocessor has several blocks.
int64_t slot_tokens(int64_t tokens, int64_t longest);

/// Sum in float64, of what blocks sum apart.
at::Tensor total(const at::Tensor& partial, at::IntArrayRef dims);

/// Whether there is such a pass for that device.
bool is_built(const Backend& backend, const std::string& pass, const About& call);

class KernelCall : public ArgumentList {
 public:
  /// On the device of all that follow. pass: the name without the suffix.
  KernelCall(const Backend& backend, const std::string& pass, const About& call);

  /// Appends a float32, float64, int32, bfloat16 or float16 tensor of up to 6 dimensions; Halide's
  /// dimension 0 is its last. An undefined or empty tensor is refused: pipelines are not called on
  /// nothing.
  void add(const at::Tensor& tensor);
  using ArgumentList::add;

 private:
  const c10::Device device_;
  halide::CudaPlace place_{};
  std::vector<at::Tensor> kept_;  ///< alive until the launch
};

}  // namespace luna::kernels::cuda
