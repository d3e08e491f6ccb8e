// One launch: blocks one after the other, the warps of a block in turns from barrier to barrier.
#pragma once

#include "tests/support/ptx/memory.h"

namespace luna::test::ptx {

/// What was executed.
struct Counts {
  std::vector<uint64_t> threads = std::vector<uint64_t>(kWorkClasses);  ///< instructions by Work
  std::vector<uint64_t> warps;  ///< times that a warp met each instruction of the kernel
  Sectors sectors;
};

class Executor {
 public:
  /// `limit`: of instructions of warps, after which the launch counts as one without end.
  Executor(const Launch& launch, Allocations& allocations, uint64_t limit, Counts& counts);

  /// Throws LaunchError.
  void run();

 private:
  void run_block();
  void run_warp(Warp& warp);
  void advance(Warp& warp);
  /// Lanes in `mask` run the instruction; whether they can go on at once.
  bool step(Warp& warp, const Instruction& in, uint32_t mask, uint32_t& pc);
  bool branch(Warp& warp, const Instruction& in, uint32_t mask, uint32_t& pc);
  bool together(Warp& warp, const Instruction& in, uint32_t mask, uint32_t& pc);
  void release_barrier();
  [[noreturn]] void divergent_barrier();
  [[noreturn]] void fail(const Warp& warp, uint32_t pc, const Fault& fault) const;

  const Launch& launch_;
  const uint64_t limit_;
  Counts& counts_;
  Memory memory_;
  std::vector<Warp> warps_;
  uint64_t steps_ = 0;
  uint64_t block_ = 0;
};

/// What lanes do together; `lanes` are all that take part.
void shuffle(std::byte* file, const Instruction& in, uint32_t lanes);
void vote(std::byte* file, const Instruction& in, uint32_t lanes);
void reduce(std::byte* file, const Instruction& in, uint32_t lanes);
void match(std::byte* file, const Instruction& in, uint32_t lanes);
void multiply_matrices(std::byte* file, const Instruction& in);
void transpose_matrix(std::byte* file, const Instruction& in);

}  // namespace luna::test::ptx
