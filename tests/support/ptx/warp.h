// A warp: its registers, and where each of its lanes stands.
#pragma once

#include <array>

#include "tests/support/ptx/launch.h"

namespace luna::test::ptx {

/// Lanes that stand at the same instruction run together; the group with the lowest one runs first,
/// until it meets the next group. A lane that waits at a barrier or for others is in no group.
class Warp {
 public:
  /// The first `lanes` of a warp exist.
  Warp(const Launch& launch, uint32_t index, uint32_t lanes);

  /// All lanes at the first instruction of block `index`.
  void start_block(const Shape& index);
  /// Writes the addresses of memory windows: of shared memory, and of the first lane's local
  /// memory.
  void set_windows(const std::byte* shared, const std::byte* local, size_t local_bytes);

  /// Makes the lowest group the active one; false when no lane can run.
  bool select();
  /// Sends lanes to an instruction.
  void move(uint32_t lanes, uint32_t to);

  std::byte* file() { return reinterpret_cast<std::byte*>(file_.data()); }
  uint32_t thread(int lane) const { return index_ * kLanes + static_cast<uint32_t>(lane); }

  uint32_t exists = 0;
  uint32_t alive = 0;    ///< Not exited.
  uint32_t waiting = 0;  ///< At a barrier; their pc is the instruction after it.
  uint32_t parked = 0;   ///< At an instruction that needs lanes that are not there yet.
  std::array<uint32_t, kLanes> pc{};

  uint32_t active = 0;  ///< The group that select() found, its instruction, and where the next
  uint32_t at = 0;      ///< group stands.
  uint32_t next = 0;

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };

  template <class Value>
  void fill(Special special, Value value);

  const Launch& launch_;
  uint32_t index_;
  std::vector<Line> file_;
};

}  // namespace luna::test::ptx
