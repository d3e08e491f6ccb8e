#include "tests/support/ptx/executor.h"

#include <immintrin.h>

#include <algorithm>

#include "tests/support/ptx/lanes.h"

namespace luna::test::ptx {

namespace {

/// Lanes whose predicate is 1.
uint32_t lanes_of(const std::byte* predicate) {
  uint32_t lanes = 0;
  for (int eight = 0; eight < 4; eight++) {
    const __m256i values = _mm256_load_si256(reinterpret_cast<const __m256i*>(predicate) + eight);
    const __m256 signs = _mm256_castsi256_ps(_mm256_slli_epi32(values, 31));
    lanes |= static_cast<uint32_t>(_mm256_movemask_ps(signs)) << 8 * eight;
  }
  return lanes;
}

}  // namespace

Executor::Executor(const Launch& launch, Allocations& allocations, uint64_t limit, Counts& counts)
    : launch_(launch), limit_(limit), counts_(counts), memory_(launch, allocations) {
  counts_.warps.resize(launch.kernel.code.size());
  const auto threads = static_cast<uint32_t>(launch.block.count());
  for (uint32_t first = 0; first < threads; first += kLanes) {
    Warp& warp =
        warps_.emplace_back(launch, first / kLanes, std::min<uint32_t>(kLanes, threads - first));
    warp.set_windows(memory_.shared().data(), memory_.local(), launch.kernel.local_bytes);
  }
}

void Executor::run() {
  for (block_ = 0; block_ < launch_.grid.count(); block_++) run_block();
  counts_.sectors = memory_.sectors();
}

void Executor::run_block() {
  const Shape& grid = launch_.grid;
  const Shape index{static_cast<uint32_t>(block_ % grid.x),
                    static_cast<uint32_t>(block_ / grid.x % grid.y),
                    static_cast<uint32_t>(block_ / grid.x / grid.y)};
  for (Warp& warp : warps_) warp.start_block(index);
  memory_.shared().start_block();
  memory_.global().start_block(block_);
  for (;;) {
    for (Warp& warp : warps_) run_warp(warp);
    const auto done = [](const Warp& warp) { return warp.alive == 0; };
    if (std::all_of(warps_.begin(), warps_.end(), done)) return;
    release_barrier();
  }
}

/// To the end, or until every lane waits at a barrier.
void Executor::run_warp(Warp& warp) {
  while (warp.select()) {
    try {
      advance(warp);
    } catch (const Fault& fault) {
      fail(warp, warp.at, fault);
    }
  }
  if (warp.parked) {
    const int lane = __builtin_ctz(warp.parked);
    fail(warp, warp.pc[lane], {kLaunchFailed, lane, "waits for lanes of its warp that never come"});
  }
}

/// Runs the active group until it splits, waits, or reaches the next group.
void Executor::advance(Warp& warp) {
  const Instruction* const code = launch_.kernel.code.data();
  std::byte* const file = warp.file();
  const uint32_t active = warp.active;
  uint32_t& pc = warp.at;
  do {
    const Instruction& in = code[pc];
    uint32_t mask = active;
    if (in.guarded) {
      const uint32_t holds = lanes_of(file + in.guard);
      mask &= in.guard_negated ? ~holds : holds;
    }
    steps_++;
    counts_.threads[static_cast<size_t>(in.work)] += __builtin_popcount(mask);
    counts_.warps[pc]++;
    if (!mask) {
      pc++;
    } else if (in.kind == Kind::kAlu) {
      in.run(file, in, mask);
      pc++;
    } else if (!step(warp, in, mask, pc)) {
      return;
    }
  } while (pc < warp.next);
  warp.move(active, pc);
}

bool Executor::step(Warp& warp, const Instruction& in, uint32_t mask, uint32_t& pc) {
  switch (in.kind) {
    case Kind::kLoad:
      memory_.load(in, warp, mask);
      break;
    case Kind::kStore:
      memory_.store(in, warp, mask);
      break;
    case Kind::kAtomic:
      memory_.update(in, warp, mask);
      break;
    case Kind::kActiveMask:
      for_lanes(mask, [&](int lane) { write(warp.file() + in.operand[0], lane, mask); });
      break;
    case Kind::kBranch:
      return branch(warp, in, mask, pc);
    case Kind::kBarrier:
      warp.waiting |= mask;
      warp.move(warp.active, pc + 1);
      return false;
    case Kind::kExit:
      warp.alive &= ~mask;
      warp.move(warp.active, pc + 1);
      return false;
    case Kind::kTrap:
      throw Fault{kLaunchFailed, __builtin_ctz(mask), "trap"};
    default:
      return together(warp, in, mask, pc);
  }
  pc++;
  return true;
}

bool Executor::branch(Warp& warp, const Instruction& in, uint32_t mask, uint32_t& pc) {
  if (steps_ > limit_) {
    throw Fault{kLaunchFailed, __builtin_ctz(mask),
                fmt::format("runaway: more than {} instructions of warps", limit_)};
  }
  // A jump back may meet lanes that wait there for others.
  const bool alone = warp.active == (warp.alive & ~warp.waiting);
  if (mask == warp.active && (alone || in.target > pc)) {
    pc = in.target;
    return true;
  }
  warp.move(warp.active, pc + 1);
  warp.move(mask, in.target);
  return false;
}

/// Lanes whose masks name one another act together, once all of them are there.
bool Executor::together(Warp& warp, const Instruction& in, uint32_t mask, uint32_t& pc) {
  const std::byte* const members = warp.file() + in.operand[5];
  for (uint32_t rest = mask; rest;) {
    const int first = __builtin_ctz(rest);
    const uint32_t named = read<uint32_t>(members, first) & warp.exists;
    uint32_t group = 0;
    for_lanes(rest, [&](int lane) {
      group |= (read<uint32_t>(members, lane) & warp.exists) == named ? 1u << lane : 0;
    });
    if (group & ~named) {
      throw Fault{kLaunchFailed, __builtin_ctz(group & ~named), "its mask leaves out its own lane"};
    }
    const bool matrix = in.kind == Kind::kMatrixLoad || in.kind == Kind::kMatrixMultiply ||
                        in.kind == Kind::kMatrixMove;
    if (matrix && named != kAllLanes) throw Fault{kLaunchFailed, first, "its warp is not whole"};
    if (group != named) {
      warp.move(warp.active, pc + 1);
      warp.move(mask, pc);
      warp.parked |= mask;
      return false;
    }
    rest &= ~group;
  }
  for (uint32_t rest = mask; rest;) {
    const uint32_t group = read<uint32_t>(members, __builtin_ctz(rest)) & warp.exists;
    if (in.kind == Kind::kShuffle) shuffle(warp.file(), in, group);
    if (in.kind == Kind::kVote) vote(warp.file(), in, group);
    if (in.kind == Kind::kReduce) reduce(warp.file(), in, group);
    if (in.kind == Kind::kMatch) match(warp.file(), in, group);
    if (in.kind == Kind::kMatrixLoad) memory_.load_matrix(in, warp);
    if (in.kind == Kind::kMatrixMultiply) multiply_matrices(warp.file(), in);
    if (in.kind == Kind::kMatrixMove) transpose_matrix(warp.file(), in);
    rest &= ~group;
  }
  if (in.kind == Kind::kWarpBarrier) {
    memory_.shared().warp_barrier(warp.thread(0) / kLanes);
    memory_.global().warp_barrier(warp.thread(0) / kLanes);
  }
  pc++;
  return true;
}

/// Every thread of the block must wait at the same barrier, those of a warp at the same
/// instruction.
void Executor::release_barrier() {
  const std::vector<Instruction>& code = launch_.kernel.code;
  const Warp& first = warps_[0];
  for (const Warp& warp : warps_) {
    if (warp.waiting != warp.exists) divergent_barrier();
    for (uint32_t rest = warp.exists; rest; rest &= rest - 1) {
      const uint32_t pc = warp.pc[__builtin_ctz(rest)];
      if (pc != warp.pc[0] || code[pc - 1].target != code[first.pc[0] - 1].target) {
        divergent_barrier();
      }
    }
  }
  for (Warp& warp : warps_) warp.waiting = 0;
  memory_.shared().barrier();
  memory_.global().barrier();
}

/// Names a thread that waits and one that does not wait with it.
void Executor::divergent_barrier() {
  const Warp* waits = nullptr;
  int lane = 0;
  for (const Warp& warp : warps_) {
    if (warp.waiting && !waits) {
      waits = &warp;
      lane = __builtin_ctz(warp.waiting);
    }
  }
  const uint32_t pc = waits->pc[lane] - 1;
  const auto name = [&](const Warp& warp, int other, const std::string& does) {
    fail(*waits, pc,
         {kLaunchFailed, lane,
          fmt::format("divergent barrier: thread {} {}", launch_.block.place(warp.thread(other)),
                      does)});
  };
  for (const Warp& warp : warps_) {
    const uint32_t gone = warp.exists & ~warp.waiting;
    if (gone) name(warp, __builtin_ctz(gone), "has exited");
  }
  for (const Warp& warp : warps_) {
    for (uint32_t rest = warp.exists; rest; rest &= rest - 1) {
      const uint32_t other = warp.pc[__builtin_ctz(rest)] - 1;
      if (other != pc) {
        name(warp, __builtin_ctz(rest), "waits at " + launch_.kernel.text[other]);
      }
    }
  }
  std::abort();  // Called only where two threads differ.
}

void Executor::fail(const Warp& warp, uint32_t pc, const Fault& fault) const {
  throw LaunchError{fault.code,
                    fmt::format("kernel {}: {} [{}; block {}, thread {}]", launch_.kernel.name,
                                fault.problem, launch_.kernel.text[pc], launch_.grid.place(block_),
                                launch_.block.place(warp.thread(fault.lane)))};
}

}  // namespace luna::test::ptx
