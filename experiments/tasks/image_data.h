// Sets of small grey images in the format of MNIST, and their rows as sequences of pixels.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace luna::experiments {

inline constexpr int64_t kImageSide = 28;
inline constexpr int64_t kImageClasses = 10;

/// A file of the set: its name without ".gz", and the SHA-256 of its unpacked bytes.
struct ImageFile {
  std::string name;
  std::string sha256;
};

struct GreyImages {
  std::vector<uint8_t> pixels;  ///< [count, kImageSide, kImageSide], row-major
  std::vector<uint8_t> labels;  ///< [count], each below kImageClasses
  int64_t count() const { return static_cast<int64_t>(labels.size()); }
};

/// Reads the images and labels in `folder`, gzip-compressed ("<name>.gz") or not. Throws
/// std::runtime_error, naming the file and the cure, where one is missing, malformed or not the one
/// that its checksum stands for, or where the two do not fit each other.
GreyImages read_images(const std::filesystem::path& folder, const ImageFile& images,
                       const ImageFile& labels);

/// One image at `size` x `size`, row-major. size 32: two black pixels on each side; a divisor of
/// 28: means of blocks, rounded half up.
std::vector<uint8_t> resized(const uint8_t* image, int64_t size);

}  // namespace luna::experiments
