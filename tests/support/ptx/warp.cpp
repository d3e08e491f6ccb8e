#include "tests/support/ptx/warp.h"

#include <algorithm>

#include "tests/support/ptx/lanes.h"

namespace luna::test::ptx {
namespace {

uint32_t along(const Shape& shape, int axis) {
  return axis == 0 ? shape.x : axis == 1 ? shape.y : shape.z;
}

}  // namespace

Warp::Warp(const Launch& launch, uint32_t index, uint32_t lanes)
    : exists(lanes == kLanes ? kAllLanes : (1u << lanes) - 1),
      launch_(launch),
      index_(index),
      file_(launch.kernel.file_bytes / sizeof(Line) + 1) {
  for (const Constant& constant : launch.kernel.constants) {
    for (int lane = 0; lane < kLanes; lane++) {
      if (constant.wide)
        write(file() + constant.place, lane, constant.bits);
      else
        write(file() + constant.place, lane, static_cast<uint32_t>(constant.bits));
    }
  }
  const Shape& block = launch.block;
  fill(Special::kThread, [&](int lane, int axis) {
    const uint32_t flat = thread(lane);
    return axis == 0   ? flat % block.x
           : axis == 1 ? flat / block.x % block.y
                       : flat / block.x / block.y;
  });
  fill(Special::kThreads, [&](int, int axis) { return along(block, axis); });
  fill(Special::kBlocks, [&](int, int axis) { return along(launch.grid, axis); });
  fill(Special::kLane, [&](int lane, int) { return static_cast<uint32_t>(lane); });
  fill(Special::kWarp, [&](int, int) { return index; });
}

template <class Value>
void Warp::fill(Special special, Value value) {
  for (const SpecialRegister& found : launch_.kernel.specials) {
    if (found.special != special) continue;
    for (int lane = 0; lane < kLanes; lane++) {
      write(file() + found.place, lane, value(lane, found.axis));
    }
  }
}

void Warp::set_windows(const std::byte* shared, const std::byte* local, size_t local_bytes) {
  fill(Special::kSharedWindow, [&](int, int) { return reinterpret_cast<uint64_t>(shared); });
  fill(Special::kLocalWindow, [&](int lane, int) {
    return reinterpret_cast<uint64_t>(local) + thread(lane) * local_bytes;
  });
}

void Warp::start_block(const Shape& index) {
  fill(Special::kBlock, [&](int, int axis) { return along(index, axis); });
  alive = exists;
  waiting = parked = 0;
  pc.fill(0);
}

bool Warp::select() {
  const uint32_t standing = alive & ~waiting;
  if (!(standing & ~parked)) return false;
  at = next = UINT32_MAX;
  for (uint32_t rest = standing & ~parked; rest; rest &= rest - 1) {
    at = std::min(at, pc[__builtin_ctz(rest)]);
  }
  active = 0;
  for (uint32_t rest = standing; rest; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest);
    if (pc[lane] == at)
      active |= 1u << lane;
    else if (pc[lane] > at)
      next = std::min(next, pc[lane]);
  }
  parked &= ~active;
  return true;
}

void Warp::move(uint32_t lanes, uint32_t to) {
  for (; lanes; lanes &= lanes - 1) pc[__builtin_ctz(lanes)] = to;
}

}  // namespace luna::test::ptx
