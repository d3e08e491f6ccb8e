#include "tests/support/stand_in_device.h"

#include <c10/core/impl/DeviceGuardImplInterface.h>

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

}  // namespace

at::Tensor stand_in_tensor(at::IntArrayRef sizes, int index) {
  const at::Tensor host = at::zeros(sizes);
  const c10::Device device(kType, static_cast<c10::DeviceIndex>(index));
  return at::for_blob(host.data_ptr(), sizes)
      .options(host.options().device(device))
      .target_device(device)
      .deleter([host](void*) {})
      .make_tensor();
}

void set_stand_in_stream(size_t stream) { current_stream = static_cast<c10::StreamId>(stream); }

}  // namespace luna::test
