#include "tests/support/ptx/global_memory.h"

namespace luna::test::ptx {

GlobalMemory::GlobalMemory(size_t granule, const Shape& grid, const Shape& block)
    : granule_bits_(__builtin_ctzll(granule)), grid_(grid), threads_(block) {}

void GlobalMemory::start_block(uint64_t block) {
  block_ = static_cast<uint32_t>(block) + 1;
  barrier();
}

void GlobalMemory::access(Access access, const SharedMemory::Addresses& address, size_t bytes,
                          uint32_t first, uint32_t mask) {
  const bool writes = access == Access::kWrite;
  if (!writes && !note_reads(address, bytes, mask)) return;
  for (; mask; mask &= mask - 1) {
    const int lane = __builtin_ctz(mask);
    const uint32_t thread = first + static_cast<uint32_t>(lane);
    const uint64_t end = (address[lane] + bytes) >> granule_bits_;
    for (uint64_t granule = address[lane] >> granule_bits_; granule < end; granule++) {
      writes ? write(granule, thread, lane) : check_read(granule, thread, lane);
    }
  }
}

/// Lanes side by side at once.
bool GlobalMemory::note_reads(const SharedMemory::Addresses& address, size_t bytes, uint32_t mask) {
  uint64_t begin = 0, end = 0;
  bool written = false;
  for (; mask; mask &= mask - 1) {
    const uint64_t own = address[__builtin_ctz(mask)];
    if (own == end) {
      end += bytes;
    } else if (own < begin || own + bytes > end) {
      written |= note_read(begin, end - begin);
      begin = own;
      end = own + bytes;
    }
  }
  return note_read(begin, end - begin) || written;
}

bool GlobalMemory::note_read(uint64_t address, uint64_t bytes) {
  const uint32_t block = block_;
  const uint64_t end = (address + bytes) >> granule_bits_;
  bool written = false;
  for (uint64_t granule = address >> granule_bits_; granule < end;) {
    Page& page = page_of(granule);
    const size_t at = granule % page.reader.size();
    const size_t count = std::min<size_t>(end - granule, page.reader.size() - at);
    uint32_t* const readers = &page.reader[at];
    for (size_t i = 0; i < count; i++) {
      readers[i] = readers[i] == kNobody || readers[i] == block ? block : kSeveral;
    }
    written |= !page.writer.empty();
    granule += count;
  }
  return written;
}

inline GlobalMemory::Page& GlobalMemory::page_of(uint64_t granule) {
  const uint64_t number = granule >> kPageBits;
  Known& known = known_[number % known_.size()];
  if (!known.page || known.number != number) {
    std::unique_ptr<Page>& page = pages_[number];
    if (!page) page = std::make_unique<Page>();
    known = {number, page.get()};
  }
  return *known.page;
}

inline void GlobalMemory::check_read(uint64_t granule, uint32_t thread, int lane) {
  const std::vector<Writer>& writers = page_of(granule).writer;
  if (writers.empty()) return;
  const Writer& writer = writers[granule % writers.size()];
  if (races(writer, thread)) race("reads", granule, name(writer) + " writes", lane);
}

inline void GlobalMemory::write(uint64_t granule, uint32_t thread, int lane) {
  Page& page = page_of(granule);
  if (page.writer.empty()) page.writer.resize(page.reader.size());
  Writer& writer = page.writer[granule % page.reader.size()];
  const uint32_t reader = page.reader[granule % page.reader.size()];
  if (races(writer, thread)) race("writes", granule, name(writer) + " writes", lane);
  if (reader != kNobody && reader != block_) {
    race("writes", granule, "another block reads", lane);
  }
  writer = {block_, thread, epoch_};
}

bool GlobalMemory::races(const Writer& writer, uint32_t thread) const {
  if (writer.block != block_) return writer.block != kNobody;
  const uint32_t warp = thread / kLanes;
  const uint32_t met = writer.thread / kLanes == warp ? warp_epoch_[warp] : 0;
  return writer.thread != thread && writer.epoch >= std::max(block_epoch_, met);
}

void GlobalMemory::race(const char* does, uint64_t granule, const std::string& who,
                        int lane) const {
  throw Fault{kLaunchFailed, lane,
              fmt::format("data race: {} global address {:#x} that {}", does,
                          granule << granule_bits_, who)};
}

std::string GlobalMemory::name(const Writer& writer) const {
  return fmt::format("thread {} of block {}", threads_.place(writer.thread),
                     grid_.place(writer.block - 1));
}

}  // namespace luna::test::ptx
