// What NVIDIA's assembler makes of a kernel: registers, and the spills and stack frames that a fast
// kernel must not have. Tested in tests/generators.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace luna::autotune {

/// One kernel (or device function: no registers of its own) of a module, sizes in bytes.
struct KernelUse {
  std::string name;
  int registers, spill_stores, spill_loads, stack, shared;
};

struct Assembly {
  std::vector<KernelUse> kernels;
  std::vector<std::string> problems;  ///< why the module fails the gate; empty if it passes
};

/// The PTX modules inside an archive or object that Halide wrote; of a .ptx file, its text.
std::vector<std::string> ptx_modules(const std::filesystem::path& archive);

/// Runs `ptxas -v` for an architecture such as "sm_80". A problem is: ptxas refuses the module or
/// finds no kernel, a function without a body, a spill, a stack frame.
Assembly assemble(const std::string& ptxas, const std::string& ptx, const std::string& architecture,
                  const std::string& options = "");

}  // namespace luna::autotune
