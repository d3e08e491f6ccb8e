// Shuffles, votes and reductions.
#include "tests/support/ptx/executor.h"
#include "tests/support/ptx/lanes.h"

namespace luna::test::ptx {
namespace {

struct Source {
  int lane;
  bool in_range;
};

/// The lane that a lane reads; c holds the mask of its segment in bits 8 to 12, and a clamp.
Source source_of(Mode mode, int lane, uint32_t b, uint32_t c) {
  const int segment = (c >> 8) & 31;
  const int clamp = c & 31;
  const int lowest = lane & segment;
  const int highest = lowest | (clamp & ~segment & 31);
  const int amount = b & 31;
  switch (mode) {
    case Mode::kUp:
      return {lane - amount, lane - amount >= highest};
    case Mode::kDown:
      return {lane + amount, lane + amount <= highest};
    case Mode::kButterfly:
      return {lane ^ amount, (lane ^ amount) <= highest};
    default: {
      const int chosen = lowest | (amount & ~segment & 31);
      return {chosen, chosen <= highest};
    }
  }
}

}  // namespace

void shuffle(std::byte* file, const Instruction& in, uint32_t lanes) {
  uint32_t values[kLanes];
  std::memcpy(values, file + in.operand[2], sizeof(values));
  for_lanes(lanes, [&](int lane) {
    Source source = source_of(in.mode, lane, read<uint32_t>(file + in.operand[3], lane),
                              read<uint32_t>(file + in.operand[4], lane));
    if (!source.in_range) source.lane = lane;
    if (!(lanes >> source.lane & 1)) {
      throw Fault{kLaunchFailed, lane,
                  fmt::format("shuffle: reads lane {}, which takes no part", source.lane)};
    }
    write(file + in.operand[0], lane, values[source.lane]);
    write(file + in.operand[1], lane, source.in_range ? 1u : 0u);
  });
}

void vote(std::byte* file, const Instruction& in, uint32_t lanes) {
  uint32_t ballot = 0;
  for_lanes(lanes, [&](int lane) {
    ballot |= (read<uint32_t>(file + in.operand[1], lane) ^ (in.negated ? 1 : 0)) << lane;
  });
  const bool all = ballot == lanes;
  const uint32_t result = in.mode == Mode::kBallot ? ballot
                          : in.mode == Mode::kAll  ? all
                          : in.mode == Mode::kAny  ? ballot != 0
                                                   : all || !ballot;
  for_lanes(lanes, [&](int lane) { write(file + in.operand[0], lane, result); });
}

void match(std::byte* file, const Instruction& in, uint32_t lanes) {
  uint32_t values[kLanes];
  std::memcpy(values, file + in.operand[1], sizeof(values));
  for_lanes(lanes, [&](int lane) {
    uint32_t same = 0;
    for (int other = 0; other < kLanes; other++) same |= (values[other] == values[lane]) << other;
    write(file + in.operand[0], lane, same & lanes);
  });
}

void reduce(std::byte* file, const Instruction& in, uint32_t lanes) {
  const int first = __builtin_ctz(lanes);
  uint64_t result = read<uint32_t>(file + in.operand[1], first);
  for_lanes(lanes & (lanes - 1), [&](int lane) {
    result = in.update(result, read<uint32_t>(file + in.operand[1], lane), 0);
  });
  for_lanes(lanes,
            [&](int lane) { write(file + in.operand[0], lane, static_cast<uint32_t>(result)); });
}

}  // namespace luna::test::ptx
