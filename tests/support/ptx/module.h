// A PTX module: its variables in host memory and its kernels, decoded.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/ptx/instruction.h"

namespace luna::test::ptx {

/// What a launch writes into a register file: special registers and the places of memory windows.
enum class Special : uint8_t {
  kThread,
  kThreads,
  kBlock,
  kBlocks,
  kLane,
  kWarp,
  kSharedWindow,
  kLocalWindow
};

struct SpecialRegister {
  Special special;
  int axis;  ///< 0, 1, 2 for x, y, z.
  uint32_t place;
};

struct Constant {
  uint64_t bits;
  bool wide;
  uint32_t place;
};

struct Parameter {
  std::string name;
  size_t offset;
  size_t bytes;
};

struct Kernel {
  std::string name;
  std::vector<Parameter> parameters;
  std::vector<Instruction> code;  ///< Ends with an exit.
  std::vector<std::string> text;  ///< Of each instruction: "line 7: add.s32 %r1, %r2, 3".
  std::vector<Constant> constants;
  std::vector<SpecialRegister> specials;
  size_t file_bytes = 0;       ///< Of a warp's register file.
  size_t shared_bytes = 0;     ///< Static; the dynamic ones follow.
  size_t local_bytes = 0;      ///< Of one thread.
  size_t granule = 16;         ///< The smallest access to shared memory, to at most 16 bytes.
  size_t global_granule = 16;  ///< Likewise to global memory.
  size_t parameter_bytes() const;
};

/// Where a variable lies: a host address, or an offset in the shared or local memory.
struct Variable {
  Space space;
  uint64_t address;
  size_t bytes;
  size_t alignment;
  bool dynamic;  ///< .extern .shared: as large as the launch says.
};

class Module {
 public:
  /// Throws ParseError.
  explicit Module(std::string_view text);
  Module(const Module&) = delete;

  /// The kernel, or nullptr.
  const Kernel* find(const std::string& name) const;
  /// Whether the bytes lie within one variable of the module.
  bool contains(uint64_t address, size_t bytes) const;

 private:
  friend class ModuleParser;

  std::map<std::string, Kernel> kernels_;
  std::map<std::string, Variable> variables_;
  std::deque<std::vector<std::max_align_t>> data_;
};

}  // namespace luna::test::ptx
