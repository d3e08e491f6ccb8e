// Control of the stand-in CUDA driver: a library with the driver's entry points that the code under
// test opens through LUNA_CUDA_DRIVER. It runs nothing: it records calls, and fails where told to.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace luna::test {

/// The primary context of device k is kFirstContext + k.
inline constexpr size_t kFirstContext = 0x1000;

/// The calls since the last take, as text: "cuLaunchKernel grid 1 2 3 block 32 1 1 shared 0 stream
/// 0x77".
std::vector<std::string> take_driver_calls();

/// What devices say from now on of their compute capability; 9.0 at first.
void set_compute_capability(int major, int minor);

/// Whether streams are being captured from now on.
void set_capturing(bool capturing);

/// From now on that driver function returns `code`; 0 makes it work again.
void fail_driver_call(const std::string& function, int code);

}  // namespace luna::test
