// A PTX instruction, decoded: operands are byte offsets into the register file of a warp, which
// holds registers, constants and special registers alike, each as 32 lanes of 4 or 8 bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "tests/support/ptx/opcode.h"

namespace luna::test::ptx {

inline constexpr int kLanes = 32;
inline constexpr uint32_t kAllLanes = 0xffffffff;

/// PTX that cannot be parsed, or that has no implementation; the text names the line.
struct ParseError : std::runtime_error {
  ParseError(int line, const std::string& problem)
      : std::runtime_error("PTX line " + std::to_string(line) + ": " + problem) {}
};

enum class Kind : uint8_t {
  kAlu,
  kLoad,
  kStore,
  kAtomic,
  kShuffle,
  kVote,
  kReduce,
  kMatch,
  kMatrixLoad,
  kMatrixMultiply,
  kMatrixMove,
  kActiveMask,
  kBranch,
  kBarrier,
  kWarpBarrier,
  kExit,
  kTrap
};

enum class Space : uint8_t { kGeneric, kGlobal, kShared, kLocal, kConst, kParam };

/// The classes of work that executed instructions are counted in.
enum class Work : uint8_t { kFma, kFloat, kInteger, kGlobal, kShared, kControl, kOther };
inline constexpr size_t kWorkClasses = 7;

/// How shuffles pick a lane, votes combine, and set/setp combine with a further predicate.
enum class Mode : uint8_t {
  kNone,
  kUp,
  kDown,
  kButterfly,
  kIndex,
  kAll,
  kAny,
  kUniform,
  kBallot,
  kAnd,
  kOr,
  kXor
};

struct Instruction;

/// Runs an instruction on the lanes in `mask`; `file` is the register file of the warp.
using Handler = void (*)(std::byte* file, const Instruction& instruction, uint32_t mask);

/// The new value of a memory word that held `old`: atomics, and the steps of a reduction.
using Update = uint64_t (*)(uint64_t old, uint64_t b, uint64_t c);

struct Instruction {
  Kind kind = Kind::kAlu;
  Space space = Space::kGeneric;
  Work work = Work::kOther;
  Mode mode = Mode::kNone;
  bool guarded = false;
  bool guard_negated = false;
  bool negated = false;  ///< The predicate operand of setp, set or vote is taken negated.
  bool paired = false;   ///< There is a second destination.
  bool sign_extend = false;
  bool transposed = false;   ///< ldmatrix: columns in place of rows.
  Type factor = Type::kF16;  ///< mma: of a and b.
  bool wide_base = true;     ///< The address register has 64 bits.
  uint8_t bytes = 4;         ///< Of one element in memory.
  uint8_t elements = 1;      ///< Of a vector access, or of a packed mov.
  uint32_t guard = 0;
  uint32_t target = 0;  ///< Branches: the index of the next instruction.
  std::array<uint32_t, 6> operand{};
  std::array<uint32_t, 14> matrix{};  ///< mma: four registers of d, four of a, two of b, four of c.
  std::array<bool, 4> wide{};         ///< Memory: the data register has 64 bits.
  int rounding = 0;                   ///< As fesetround() takes it, for `inner`.
  int64_t offset = 0;                 ///< Added to the address register.
  Handler run = nullptr;
  Handler inner = nullptr;  ///< What a wrapping `run` wraps.
  Update update = nullptr;
};

}  // namespace luna::test::ptx
