#include "runtime/io/idx.h"

#include <fmt/format.h>

#include <stdexcept>

namespace luna::io {
namespace {

constexpr size_t kMagicBytes = 4;
constexpr size_t kSizeBytes = 4;
constexpr char kUnsignedByte = 0x08;

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw std::runtime_error(fmt::format("{}: {}; restore it from its source", name, what));
}

size_t big_endian(std::string_view four) {
  size_t value = 0;
  for (const char c : four) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

}  // namespace

IdxBytes parse_idx(std::string_view bytes, size_t rank, const std::string& name) {
  const size_t header = kMagicBytes + rank * kSizeBytes;
  if (bytes.size() < header) {
    fail(name, fmt::format("{} bytes are too few for an IDX header of {}", bytes.size(), header));
  }
  const char magic[] = {0, 0, kUnsignedByte, static_cast<char>(rank)};
  if (bytes.substr(0, kMagicBytes) != std::string_view(magic, kMagicBytes)) {
    fail(name, fmt::format("not an IDX file of unsigned bytes with {} sizes (magic 0x{:08x})", rank,
                           big_endian(bytes.substr(0, kMagicBytes))));
  }
  IdxBytes idx{{}, bytes.substr(header)};
  size_t elements = 1;
  for (size_t i = 0; i < rank; ++i) {
    const size_t size = big_endian(bytes.substr(kMagicBytes + i * kSizeBytes, kSizeBytes));
    if (__builtin_mul_overflow(elements, size, &elements)) fail(name, "its sizes overflow");
    idx.sizes.push_back(size);
  }
  if (elements != idx.elements.size()) {
    fail(name, fmt::format("{} elements where its sizes say {}", idx.elements.size(), elements));
  }
  return idx;
}

}  // namespace luna::io
