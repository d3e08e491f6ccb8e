#include "runtime/kernels/cuda/kernel_call.h"

#include <HalideRuntimeCuda.h>

#include <algorithm>

#include "generators/common/tiles.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels::cuda {
namespace {

Pipeline find(const Backend& backend, const std::string& name, const About& call) {
  const Pipeline pipeline = backend.find(name, call);
  TORCH_CHECK_NOT_IMPLEMENTED(pipeline, "luna: the CUDA kernel ", name,
                              " is not built yet; move the tensors to the CPU");
  return pipeline;
}

Pipeline find_compiled(const std::string& name, const About& call) {
  return find_pipeline(
      name, [&] { return halide::device_name(call.device.index()); }, call.rows);
}

halide_type_t type_of(at::ScalarType type) {
  if (type == at::kFloat) return halide_type_of<float>();
  if (type == at::kDouble) return halide_type_of<double>();
  if (type == at::kInt) return halide_type_of<int32_t>();
  return {type == at::kBFloat16 ? halide_type_bfloat : halide_type_float, 16, 1};
}

}  // namespace

About::About(const at::Tensor& tokens) : device(tokens.device()), rows(1) {
  for (int64_t dim = 0; dim + 1 < tokens.dim(); dim++) rows *= tokens.size(dim);
}

const Backend kDevice{"_cuda", &find_compiled, int64_t{256} << 20};

int64_t slot_tokens(int64_t tokens, int64_t longest) {
  constexpr int64_t kSlots = 1024, kLeast = 2 * tiles::kSlotAlign;
  const int64_t most = std::min(kSlotTokens, tiles::round_up(longest, kLeast));
  return std::clamp(tiles::round_up(tokens / kSlots, kLeast), kLeast, std::max(kLeast, most));
}

at::Tensor total(const at::Tensor& partial, at::IntArrayRef dims) {
  return at::sum(partial, at::OptionalIntArrayRef(dims), false, at::kDouble);
}

bool is_built(const Backend& backend, const std::string& pass, const About& call) {
  return backend.find(pass + backend.suffix, call) != nullptr;
}

KernelCall::KernelCall(const Backend& backend, const std::string& pass, const About& call)
    : ArgumentList(pass + backend.suffix, find(backend, pass + backend.suffix, call)),
      device_(call.device),
      place_(halide::current_place(device_)) {
  add_pointer(&place_);
}

void KernelCall::add(const at::Tensor& tensor) {
  TORCH_INTERNAL_ASSERT(tensor.numel() > 0 && tensor.dim() <= kMaxDims, name());
  TORCH_CHECK_VALUE(tensor.device() == device_, "luna: ", name(), ": a tensor on ", tensor.device(),
                    " among tensors on ", device_);
  kept_.push_back(tensor);
  const size_t index = add_buffer(type_of(tensor.scalar_type()), static_cast<int>(tensor.dim()));
  halide_buffer_t& out = buffer(index);
  out.device = reinterpret_cast<uint64_t>(tensor.data_ptr());
  out.device_interface = halide_cuda_device_interface();
  out.set_device_dirty(true);
  int64_t packed = 1;  // stride of a dimension behind the others, which an extent of 1 may claim
  for (int axis = 0; axis < out.dimensions; axis++) {
    const int64_t from = out.dimensions - 1 - axis, extent = tensor.size(from);
    const int64_t stride = extent == 1 ? packed : tensor.stride(from);
    out.dim[axis] = dimension(extent, stride);
    packed = stride * extent;
  }
}

}  // namespace luna::kernels::cuda
