// Promise: image sets are read as they are or refused with the file and the reason; images keep
// their content at every size.
#include "experiments/tasks/image_data.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <numeric>

#include "runtime/io/sha256.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace luna::experiments {
namespace {

using luna::testing::error_of;
using luna::testing::TemporaryFolder;
using std::string_literals::operator""s;

constexpr int kPixels = kImageSide * kImageSide;

std::string pixels(int count) {
  std::string bytes;
  for (int i = 0; i < count * kPixels; ++i) bytes += static_cast<char>(i * 7 % 256);
  return bytes;
}

std::string image_file(char count, char side, const std::string& elements) {
  return "\0\0\x08\x03\0\0\0"s + count + "\0\0\0"s + side + "\0\0\0"s + side + elements;
}

std::string label_file(char count, const std::string& elements) {
  return "\0\0\x08\x01\0\0\0"s + count + elements;
}

TEST(ImageData, ReadsPlainAndPackedFiles) {
  const TemporaryFolder folder;
  const std::string images = image_file(3, 28, pixels(3));
  const std::string labels = label_file(3, "\x09\0\x04"s);
  const gzFile packed = gzopen((folder.path() / "images.gz").c_str(), "wb");
  gzwrite(packed, images.data(), images.size());
  gzclose(packed);
  folder.write("labels", labels);
  const GreyImages set =
      read_images(folder.path(), {"images", io::sha256(images)}, {"labels", io::sha256(labels)});
  EXPECT_EQ(set.labels, (std::vector<uint8_t>{9, 0, 4}));
  const std::string expected = pixels(3);
  EXPECT_EQ(set.pixels, (std::vector<uint8_t>(expected.begin(), expected.end())));
}

struct BadSet {
  std::string images;
  std::string labels;
  std::string what;  // after the folder
};

class ImageDataRefuses : public ::testing::TestWithParam<BadSet> {};

TEST_P(ImageDataRefuses, WithFileAndReason) {
  const TemporaryFolder folder;
  folder.write("images", GetParam().images);
  folder.write("labels", GetParam().labels);
  const ImageFile images{"images", io::sha256(image_file(2, 28, pixels(2)))};
  const ImageFile labels{"labels", io::sha256(label_file(2, "\x01\x02"))};
  EXPECT_EQ(error_of([&] { read_images(folder.path(), images, labels); }),
            folder.path().string() + GetParam().what + "; restore it from its source");
}

INSTANTIATE_TEST_SUITE_P(
    Sets, ImageDataRefuses,
    ::testing::Values(
        BadSet{"", label_file(2, "\x01\x02"),
               "/images: 0 bytes are too few for an IDX header of 16"},
        BadSet{image_file(2, 28, pixels(1)), label_file(2, "\x01\x02"),
               "/images: 784 elements where its sizes say 1568"},
        BadSet{image_file(2, 14, pixels(2).substr(0, size_t{2} * 14 * 14)),
               label_file(2, "\x01\x02"), "/images: images of 14 x 14 where 28 x 28 belong"},
        BadSet{image_file(2, 28, pixels(2)), label_file(3, "\x01\x02\x03"),
               "/labels: 3 labels for 2 images"},
        BadSet{image_file(2, 28, pixels(2)), label_file(2, "\x01\x0a"),
               "/labels: label 10 of image 1 is not in 0 .. 9"},
        BadSet{image_file(2, 28, pixels(2)), image_file(2, 28, pixels(2)),
               "/labels: not an IDX file of unsigned bytes with 1 sizes (magic 0x00000803)"},
        BadSet{image_file(2, 28, pixels(2)), label_file(2, "\x01\x01"),
               "/labels: its unpacked bytes have SHA-256 " + io::sha256(label_file(2, "\x01\x01")) +
                   " where " + io::sha256(label_file(2, "\x01\x02")) + " belongs"}));

TEST(ImageData, PadsToThirtyTwo) {
  std::vector<uint8_t> image(kPixels);
  std::iota(image.begin(), image.end(), 1);
  const auto out = resized(image.data(), 32);
  ASSERT_EQ(out.size(), 1024u);
  for (int y = 0; y < 32; ++y) {
    for (int x = 0; x < 32; ++x) {
      const bool border = y < 2 || x < 2 || y >= 30 || x >= 30;
      EXPECT_EQ(out[y * 32 + x], border ? 0 : image[(y - 2) * 28 + x - 2]);
    }
  }
}

TEST(ImageData, AveragesBlocksRoundingHalfUp) {
  std::vector<uint8_t> image(kPixels, 255);
  EXPECT_EQ(resized(image.data(), 14), std::vector<uint8_t>(196, 255));
  EXPECT_EQ(resized(image.data(), 7), std::vector<uint8_t>(49, 255));
  std::fill(image.begin(), image.end(), 0);
  image[2 * 28 + 5] = 2;    // block (1, 2) of 14 x 14: 2 / 4
  image[27 * 28 + 27] = 8;  // last block: 8 / 4, and 8 / 16
  image[0] = 1;             // 1 / 4
  const auto half = resized(image.data(), 14);
  EXPECT_EQ(half[1 * 14 + 2], 1);
  EXPECT_EQ(half[13 * 14 + 13], 2);
  EXPECT_EQ(std::accumulate(half.begin(), half.end(), 0), 3);
  const auto quarter = resized(image.data(), 7);
  EXPECT_EQ(quarter[6 * 7 + 6], 1);
  EXPECT_EQ(std::accumulate(quarter.begin(), quarter.end(), 0), 1);
}

}  // namespace
}  // namespace luna::experiments
