// A PTX module in a test: loaded by the executing driver, its kernels launched on host memory.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/ptx/driver.h"

extern "C" {
int cuModuleLoadDataEx(void** module, const void* image, unsigned, int*, void**);
int cuModuleGetFunction(void** function, void* module, const char* name);
int cuFuncSetAttribute(void* function, int attribute, int value);
int cuLaunchKernel(void* function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                   unsigned shared, void* stream, void** parameters, void**);
}

namespace luna::test {

/// What a driver call returned, and the message that it left.
struct PtxResult {
  int code = 0;
  std::string message;

  bool operator==(const PtxResult& other) const {
    return code == other.code && message == other.message;
  }
};

inline std::ostream& operator<<(std::ostream& out, const PtxResult& result) {
  return out << result.code << " \"" << result.message << '"';
}

inline PtxResult load_ptx(const std::string& text, void** module) {
  const int code = cuModuleLoadDataEx(module, text.c_str(), 0, nullptr, nullptr);
  return {code, take_ptx_error()};
}

struct PtxShape {
  unsigned blocks[3] = {1, 1, 1};
  unsigned threads[3] = {32, 1, 1};
  unsigned shared = 0;
};

/// Loads the text after the usual head of three lines and launches its kernel `k` with the
/// addresses of the arguments.
inline PtxResult run_ptx(const std::string& text, const PtxShape& shape,
                         std::vector<void*> arguments) {
  void* module = nullptr;
  const PtxResult loaded =
      load_ptx(".version 7.0\n.target sm_80\n.address_size 64\n" + text, &module);
  if (loaded.code) return loaded;
  void* function = nullptr;
  EXPECT_EQ(cuModuleGetFunction(&function, module, "k"), 0);
  const auto& [blocks, threads, shared] = shape;
  const int code = cuLaunchKernel(function, blocks[0], blocks[1], blocks[2], threads[0], threads[1],
                                  threads[2], shared, nullptr, arguments.data(), nullptr);
  return {code, take_ptx_error()};
}

/// A kernel k(.param .u64 x) with registers %p, %h, %r and %d of 1, 16, 32 and 64 bits; %d1 is x
/// and %r1 is %tid.x. The body begins on line 14.
inline std::string ptx_kernel(const std::string& body) {
  return R"(.visible .entry k(
  .param .u64 x
)
{
  .reg .pred %p<9>;
  .reg .b16 %h<9>;
  .reg .b32 %r<20>;
  .reg .b64 %d<9>;
  ld.param.b64 %d1, [x];
  mov.u32 %r1, %tid.x;
)" + body +
         "\n  ret;\n}\n";
}

/// In such a body: %d2 = x + 4 tid.
inline const std::string kOwnWord = "mul.wide.u32 %d2, %r1, 4; add.s64 %d2, %d2, %d1;";

/// run_ptx of ptx_kernel(body) with one buffer.
template <class T>
PtxResult run_body(const std::string& body, std::vector<T>& x, const PtxShape& shape = {}) {
  void* address = x.data();
  return run_ptx(ptx_kernel(body), shape, {&address});
}

}  // namespace luna::test
