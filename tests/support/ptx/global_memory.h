// Who wrote and who read each granule of global memory during one launch. A device runs blocks in
// any order, so what one block writes no other may touch; within a block barriers are the order.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <unordered_map>
#include <vector>

#include "tests/support/ptx/shared_memory.h"

namespace luna::test::ptx {

class GlobalMemory {
 public:
  /// All accesses are multiples of `granule` bytes, aligned to it.
  GlobalMemory(size_t granule, const Shape& grid, const Shape& block);

  void start_block(uint64_t block);
  /// All threads of the block have met.
  void barrier() { block_epoch_ = ++epoch_; }
  /// The lanes of a warp have met.
  void warp_barrier(uint32_t warp) { warp_epoch_[warp] = ++epoch_; }

  /// Notes the accesses of the lanes in `mask`, of the warp whose first thread is `first`; throws
  /// Fault (with the lane) for a race. Of a block all reads are kept as one thread's, so that it
  /// may write what it reads. Atomics, which may meet each other, count as reads.
  void access(Access access, const SharedMemory::Addresses& address, size_t bytes, uint32_t first,
              uint32_t mask);
  /// Notes reads of all these bytes; false where nothing nearby is written, so that access() of
  /// them would find nothing.
  bool note_read(uint64_t address, uint64_t bytes);

 private:
  static constexpr uint32_t kNobody = 0, kSeveral = UINT32_MAX;

  struct Writer {
    uint32_t block = kNobody, thread = 0, epoch = 0;  ///< blocks from 1 on
  };
  static constexpr int kPageBits = 10;  ///< of a page's number of granules
  struct Page {
    std::array<uint32_t, 1 << kPageBits> reader{};  ///< a block, kNobody or kSeveral
    std::vector<Writer> writer;                     ///< empty where nothing is written
  };
  struct Known {
    uint64_t number = 0;
    Page* page = nullptr;
  };

  Page& page_of(uint64_t granule);
  /// note_read() of every lane.
  bool note_reads(const SharedMemory::Addresses& address, size_t bytes, uint32_t mask);
  void check_read(uint64_t granule, uint32_t thread, int lane);
  void write(uint64_t granule, uint32_t thread, int lane);
  /// Whether a write is another thread's than `thread`, and no barrier lies between.
  bool races(const Writer& writer, uint32_t thread) const;
  [[noreturn]] void race(const char* does, uint64_t granule, const std::string& who,
                         int lane) const;
  std::string name(const Writer& writer) const;

  const int granule_bits_;
  const Shape grid_, threads_;
  uint32_t block_ = kNobody;
  uint32_t epoch_ = 0, block_epoch_ = 0;   ///< The current one; the first since all have met.
  std::array<uint32_t, 32> warp_epoch_{};  ///< Likewise of the lanes of each warp.
  std::unordered_map<uint64_t, std::unique_ptr<Page>> pages_;
  std::array<Known, 16> known_{};  ///< the last ones, by the number's last digits
};

}  // namespace luna::test::ptx
