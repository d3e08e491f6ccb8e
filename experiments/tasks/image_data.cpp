#include "experiments/tasks/image_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "runtime/io/gzip.h"
#include "runtime/io/idx.h"
#include "runtime/io/sha256.h"

namespace luna::experiments {
namespace {

// More than any file of the set holds (47 MB), so that a bomb is refused.
constexpr size_t kMostBytes = 1 << 26;

struct Unpacked {
  std::string path;
  std::string bytes;
};

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw std::runtime_error(fmt::format("{}: {}; restore it from its source", path, what));
}

Unpacked read_file(const std::filesystem::path& folder, const std::string& name) {
  const auto packed = folder / (name + ".gz");
  const auto path = std::filesystem::exists(packed) ? packed : folder / name;
  return {path.string(), io::read_maybe_gzip(path, kMostBytes)};
}

// After the parser, whose words say more than those of a checksum.
void check_sum(const Unpacked& file, const std::string& expected) {
  const std::string sum = io::sha256(file.bytes);
  if (sum != expected) {
    fail(file.path,
         fmt::format("its unpacked bytes have SHA-256 {} where {} belongs", sum, expected));
  }
}

}  // namespace

GreyImages read_images(const std::filesystem::path& folder, const ImageFile& images,
                       const ImageFile& labels) {
  const Unpacked image_file = read_file(folder, images.name);
  const Unpacked label_file = read_file(folder, labels.name);
  const io::IdxBytes image_bytes = io::parse_idx(image_file.bytes, 3, image_file.path);
  const io::IdxBytes label_bytes = io::parse_idx(label_file.bytes, 1, label_file.path);
  const auto& sizes = image_bytes.sizes;
  if (sizes[1] != kImageSide || sizes[2] != kImageSide) {
    fail(image_file.path, fmt::format("images of {} x {} where {} x {} belong", sizes[1], sizes[2],
                                      kImageSide, kImageSide));
  }
  if (sizes[0] != label_bytes.sizes[0]) {
    fail(label_file.path, fmt::format("{} labels for {} images", label_bytes.sizes[0], sizes[0]));
  }
  GreyImages set;
  set.pixels.assign(image_bytes.elements.begin(), image_bytes.elements.end());
  set.labels.assign(label_bytes.elements.begin(), label_bytes.elements.end());
  const auto bad = std::find_if(set.labels.begin(), set.labels.end(),
                                [](uint8_t label) { return label >= kImageClasses; });
  if (bad != set.labels.end()) {
    fail(label_file.path, fmt::format("label {} of image {} is not in 0 .. {}", *bad,
                                      bad - set.labels.begin(), kImageClasses - 1));
  }
  check_sum(image_file, images.sha256);
  check_sum(label_file, labels.sha256);
  return set;
}

std::vector<uint8_t> resized(const uint8_t* image, int64_t size) {
  std::vector<uint8_t> out(size * size, 0);
  if (size > kImageSide) {
    const int64_t border = (size - kImageSide) / 2;
    for (int64_t y = 0; y < kImageSide; ++y) {
      std::copy_n(image + y * kImageSide, kImageSide, &out[(y + border) * size + border]);
    }
    return out;
  }
  const int64_t block = kImageSide / size;
  const int64_t area = block * block;
  for (int64_t y = 0; y < size; ++y) {
    for (int64_t x = 0; x < size; ++x) {
      int64_t sum = 0;
      for (int64_t i = 0; i < area; ++i) {
        sum += image[(y * block + i / block) * kImageSide + x * block + i % block];
      }
      out[y * size + x] = static_cast<uint8_t>((sum + area / 2) / area);
    }
  }
  return out;
}

}  // namespace luna::experiments
