// Control of the executing CUDA driver: a library with the driver's entry points that runs PTX on
// host memory, at once, in the calling thread. The code under test opens it through
// LUNA_CUDA_DRIVER. What it finds wrong goes to stderr and to take_ptx_error(); the driver call
// returns 218 (invalid PTX), 700 (illegal address), 716 (misaligned address) or 719 (launch
// failed). What it cannot show: races in global memory between launches, or where a thread writes
// what others of its block read before; an access to another registered range than the one meant;
// and the error of approximate functions (ex2.approx and its kin), which are computed as exactly as
// float32 holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace luna::test {

/// Thread-instructions of a kernel by class, over all its launches. Loads and stores count as
/// memory, of local, constant and parameter memory as other; so do moves and conversions. Beside
/// them what the warps' accesses to global memory touch.
struct PtxCounts {
  uint64_t fma = 0;
  uint64_t other_float = 0;
  uint64_t integer = 0;
  uint64_t global_memory = 0;
  uint64_t shared_memory = 0;
  uint64_t control = 0;
  uint64_t other = 0;
  uint64_t sectors_loaded = 0;  ///< of 32 bytes of global memory, counted anew for every access
  uint64_t sectors_stored = 0;  ///< of a warp; atomics store
  uint64_t global_stores = 0;   ///< those of global_memory that store

  uint64_t total() const {
    return fma + other_float + integer + global_memory + shared_memory + control + other;
  }
};

/// From now on global accesses must lie within registered ranges; without any they are unchecked.
/// Ranges may overlap and be registered several times; each needs its own end.
void register_global(const void* begin, size_t bytes);
void unregister_global(const void* begin, size_t bytes);

/// The message of the last failed load or launch since the last take; "" where none failed.
std::string take_ptx_error();

/// The instructions of warps that one launch may take; 10^10 at first.
void limit_ptx_instructions(uint64_t limit);

/// From now on a launch runs its kernel as `edit` makes the text of its module; without one, as it
/// was loaded. The text must stay a module with that kernel.
void edit_ptx(std::function<std::string(const std::string& text)> edit);

/// The counts since the last take, by kernel name.
std::map<std::string, PtxCounts> take_ptx_counts();

/// What a kernel is known by between processes of one build. Where the environment has a folder as
/// LUNA_PTX_SEEN, a process that ends leaves there, under its program's name, a line for every
/// kernel that it has executed unedited.
std::string ptx_kernel_key(const std::string& module_text, const std::string& kernel);

/// Where a kernel was launched.
struct PtxPlace {
  int device;  ///< whose primary context was current; -1: none was
  const void* stream;
  bool operator<(const PtxPlace& other) const {
    return std::tie(device, stream) < std::tie(other.device, other.stream);
  }
};
/// The places of all launches since the last take.
std::set<PtxPlace> take_ptx_places();

/// How often a warp met each line of a kernel: 1 for the text's first. And what its blocks took at
/// most.
struct PtxProfile {
  std::string text;  ///< of the module
  std::string kernel;
  int threads = 0, dynamic_shared = 0;
  std::map<int, uint64_t> lines;
};
/// Of every kernel since the last take of these.
std::vector<PtxProfile> take_ptx_profiles();

}  // namespace luna::test
