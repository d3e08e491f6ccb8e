#include "tests/support/stand_in_device.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/stack.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <atomic>
#include <set>

namespace luna::test {
namespace {

constexpr auto kType = c10::DeviceType::CUDA;
thread_local c10::StreamId current_stream = 0;
thread_local c10::DeviceIndex current_device = 0;

class StandInGuard : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override { return kType; }
  c10::Device exchangeDevice(c10::Device device) const override {
    return {kType, std::exchange(current_device, device.index())};
  }
  c10::Device getDevice() const override { return {kType, current_device}; }
  void setDevice(c10::Device device) const override { current_device = device.index(); }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    current_device = device.index();
  }
  c10::Stream getStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::UNSAFE, device, current_stream);
  }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    return c10::Stream(c10::Stream::UNSAFE, stream.device(),
                       std::exchange(current_stream, stream.id()));
  }
  void* getStreamNativeHandle(c10::Stream stream) const override {
    return reinterpret_cast<void*>(stream.id());
  }
  c10::DeviceIndex deviceCount() const noexcept override { return 2; }
};

C10_REGISTER_GUARD_IMPL(CUDA, StandInGuard)

/// What autograd asks before it follows gradients on a device; torch looks for this very name.
class CUDAHooks : public at::CUDAHooksInterface {
 public:
  explicit CUDAHooks(at::CUDAHooksArgs) {}
  void init() const override {}
  bool hasCUDA() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  int getNumGPUs() const override { return 2; }
  c10::DeviceIndex deviceCount() const override { return 2; }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override {
    return at::detail::getDefaultCPUGenerator();
  }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
};

using at::CUDAHooksRegistry;
using at::RegistererCUDAHooksRegistry;
REGISTER_CUDA_HOOKS(CUDAHooks)

std::atomic<int64_t> waits{0}, uploads{0}, bytes_there{0};
std::atomic<int64_t> until_failure{0};  ///< allocations; 0: none fails

MemoryWatcher watcher{[](const void*, size_t) {}, [](const void*, size_t) {}};

/// Keeps a tensor whose memory has another device's name, and has that memory watched.
class Watched {
 public:
  explicit Watched(const at::Tensor& tensor)
      : tensor_(tensor),
        bytes_(at::detail::computeStorageNbytes(tensor.sizes(), tensor.strides(),
                                                tensor.element_size())) {
    TORCH_CHECK_WITH(OutOfMemoryError, until_failure == 0 || --until_failure > 0,
                     "the stand-in device is out of memory");
    watcher.begins(tensor_.const_data_ptr(), bytes_);
    bytes_there += static_cast<int64_t>(bytes_);
  }
  ~Watched() {
    watcher.ends(tensor_.const_data_ptr(), bytes_);
    bytes_there -= static_cast<int64_t>(bytes_);
  }
  Watched(const Watched&) = delete;

 private:
  at::Tensor tensor_;
  size_t bytes_;
};

/// The same memory under another device's name.
at::Tensor renamed(const at::Tensor& tensor, c10::Device device) {
  const auto watched =
      device.is_cpu() || tensor.numel() == 0 ? nullptr : std::make_shared<Watched>(tensor);
  return at::for_blob(tensor.data_ptr(), tensor.sizes())
      .strides(tensor.strides())
      .options(tensor.options().device(device))
      .target_device(device)
      .deleter([tensor, watched](void*) {})
      .make_tensor();
}

/// An operator's CUDA tensors as host tensors, and its results as CUDA tensors again.
class HostCall {
 public:
  c10::IValue to_host(const c10::IValue& value) {
    if (value.isTensor()) return to_host(value.toTensor());
    if (value.isDevice()) {
      device_ = value.toDevice();
      return c10::Device(c10::kCPU);
    }
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(to_host(tensor));
      return list;
    }
    if (!value.isList() || value.toListRef().empty() || !value.toListRef()[0].isTensor()) {
      return value;
    }
    c10::List<std::optional<at::Tensor>> list;
    for (const c10::IValue& element : value.toListRef()) {
      list.push_back(element.isNone() ? std::nullopt : std::optional(to_host(element.toTensor())));
    }
    return list;
  }

  c10::IValue to_device(const c10::IValue& value) const {
    if (value.isTensor()) return to_device(value.toTensor());
    if (!value.isTensorList()) return value;
    c10::List<at::Tensor> list;
    for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(to_device(tensor));
    return list;
  }

  /// Outputs that the operator has resized.
  void write_back() const {
    for (const auto& [host, original] : renamed_) {
      if (host.sizes() == original.sizes()) continue;
      original.unsafeGetTensorImpl()->shallow_copy_from(
          renamed(host, original.device()).getIntrusivePtr());
    }
  }

 private:
  at::Tensor to_host(const at::Tensor& tensor) {
    if (!tensor.defined() || !tensor.is_cuda()) return tensor;
    device_ = tensor.device();
    // An empty tensor is an operator's output more often than not, to be resized by it.
    const at::Tensor host = tensor.numel() ? renamed(tensor, c10::kCPU)
                                           : at::empty_strided(tensor.sizes(), tensor.strides(),
                                                               tensor.options().device(c10::kCPU));
    renamed_.emplace_back(host, tensor);
    return host;
  }

  at::Tensor to_device(const at::Tensor& tensor) const {
    if (!tensor.defined()) return tensor;
    for (const auto& [host, original] : renamed_) {
      if (tensor.is_same(host)) return original;
    }
    return renamed(tensor, device_);
  }

  c10::Device device_{kType, 0};
  std::vector<std::pair<at::Tensor, at::Tensor>> renamed_;
};

/// Operators whose result, or whose result's size, the host needs at once.
bool waits_for_values(const std::string& name) {
  static const std::set<std::string> names{
      "aten::_local_scalar_dense", "aten::_unique2",      "aten::bincount", "aten::equal",
      "aten::is_nonzero",          "aten::masked_select", "aten::nonzero",  "aten::unique_dim",
      "aten::unique_consecutive"};
  return names.count(name) > 0;
}

void on_host(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  HostCall call;
  if (waits_for_values(op.schema().name())) waits++;
  const size_t arguments = op.schema().arguments().size();
  for (size_t i = stack->size() - arguments; i < stack->size(); i++) {
    (*stack)[i] = call.to_host((*stack)[i]);
  }
  op.callBoxed(stack);
  call.write_back();
  const size_t results = op.schema().returns().size();
  for (size_t i = stack->size() - results; i < stack->size(); i++) {
    (*stack)[i] = call.to_device((*stack)[i]);
  }
}

at::Tensor& copy(at::Tensor& self, const at::Tensor& source, bool) {
  if (source.is_cuda() && self.is_cpu()) waits++;
  if (source.is_cpu() && self.is_cuda()) uploads++;
  const auto host = [](const at::Tensor& x) { return x.is_cuda() ? renamed(x, c10::kCPU) : x; };
  host(self).copy_(host(source));
  return self;
}

TORCH_LIBRARY_IMPL(_, CUDA, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&on_host>());
}

TORCH_LIBRARY_IMPL(aten, CUDA, library) { library.impl("copy_", &copy); }

}  // namespace

at::Tensor to_stand_in(const at::Tensor& host, int index) {
  return renamed(host.clone(), {kType, static_cast<c10::DeviceIndex>(index)});
}

void set_memory_watcher(const MemoryWatcher& told) { watcher = told; }

void set_stand_in_stream(size_t stream) { current_stream = static_cast<c10::StreamId>(stream); }

int64_t stand_in_waits() { return waits; }

int64_t stand_in_bytes() { return bytes_there; }

void fail_stand_in_allocation(int64_t n) { until_failure = n; }

int64_t stand_in_uploads() { return uploads; }

}  // namespace luna::test
