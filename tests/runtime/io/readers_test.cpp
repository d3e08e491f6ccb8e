// Promise: files are read as they are or refused with their name, the place and the cure.
#include <gtest/gtest.h>
#include <zlib.h>

#include "runtime/io/gzip.h"
#include "runtime/io/idx.h"
#include "runtime/io/sha256.h"
#include "runtime/io/tsv.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace luna::io {
namespace {

using testing::error_of;
using testing::read_text;
using testing::TemporaryFolder;
using std::string_literals::operator""s;

std::string packed(const TemporaryFolder& folder, const std::string& bytes) {
  const auto path = folder.path() / "packed";
  const gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, bytes.data(), bytes.size());
  gzclose(file);
  return read_text(path);
}

TEST(Sha256, KnownAnswers) {
  const std::string empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  EXPECT_EQ(sha256(""), empty);
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const TemporaryFolder folder;
  EXPECT_EQ(sha256_file(folder.write("empty", "")), empty);
  const std::string long_bytes(3'000'001, 'a');
  EXPECT_EQ(sha256_file(folder.write("long", long_bytes)), sha256(long_bytes));
}

TEST(Gzip, ReadsPackedAndPlainFiles) {
  const TemporaryFolder folder;
  const std::string bytes = std::string(2'000'000, 'x') + '\0' + "end";
  EXPECT_EQ(read_maybe_gzip(folder.write("a", packed(folder, bytes)), bytes.size()), bytes);
  EXPECT_EQ(read_maybe_gzip(folder.write("b", bytes), bytes.size()), bytes);
  EXPECT_EQ(read_maybe_gzip(folder.write("c", ""), 0), "");
}

TEST(Gzip, RefusesDamagedAndOversizedFiles) {
  const TemporaryFolder folder;
  std::string bytes = packed(folder, "some text that is packed");
  const auto cut = folder.write("cut", bytes.substr(0, bytes.size() - 5));
  EXPECT_EQ(error_of([&] { read_maybe_gzip(cut, 100); }),
            cut.string() + ": truncated or damaged; restore it from its source");
  bytes[bytes.size() - 6] ^= 1;  // of the checksum
  const auto flipped = folder.write("flipped", bytes);
  EXPECT_EQ(error_of([&] { read_maybe_gzip(flipped, 100); }),
            flipped.string() + ": truncated or damaged; restore it from its source");
  const auto bomb = folder.write("bomb", packed(folder, std::string(1 << 20, '0')));
  EXPECT_EQ(
      error_of([&] { read_maybe_gzip(bomb, 1000); }),
      bomb.string() + ": holds more than the 1000 bytes expected; restore it from its source");
  const auto absent = folder.path() / "absent";
  EXPECT_EQ(error_of([&] { read_maybe_gzip(absent, 1); }),
            absent.string() + ": cannot be opened; check that it exists and may be read");
}

TEST(Idx, SizesAndElements) {
  const std::string bytes = "\0\0\x08\x02\0\0\0\x02\0\0\0\x03"s + "abcdef";
  const IdxBytes idx = parse_idx(bytes, 2, "file");
  EXPECT_EQ(idx.sizes, (std::vector<size_t>{2, 3}));
  EXPECT_EQ(idx.elements, "abcdef");
}

struct BadIdx {
  std::string bytes;
  std::string what;
};

class IdxRefuses : public ::testing::TestWithParam<BadIdx> {};

TEST_P(IdxRefuses, WithTheReason) {
  EXPECT_EQ(error_of([&] { parse_idx(GetParam().bytes, 2, "file"); }),
            "file: " + GetParam().what + "; restore it from its source");
}

INSTANTIATE_TEST_SUITE_P(
    Files, IdxRefuses,
    ::testing::Values(
        BadIdx{"", "0 bytes are too few for an IDX header of 12"},
        BadIdx{"\0\0\x08\x02\0\0\0\x02\0\0\0"s, "11 bytes are too few for an IDX header of 12"},
        BadIdx{"\0\0\x0d\x02\0\0\0\x02\0\0\0\x03"s,
               "not an IDX file of unsigned bytes with 2 sizes (magic 0x00000d02)"},
        BadIdx{"\0\0\x08\x03\0\0\0\x02\0\0\0\x03"s,
               "not an IDX file of unsigned bytes with 2 sizes (magic 0x00000803)"},
        BadIdx{"\0\0\x08\x02\0\0\0\x02\0\0\0\x03"s + "abcde", "5 elements where its sizes say 6"},
        BadIdx{"\0\0\x08\x02\0\0\0\x02\0\0\0\x03"s + "abcdefg", "7 elements where its sizes say 6"},
        BadIdx{"\0\0\x08\x02\xff\xff\xff\xff\xff\xff\xff\xff"s,
               "0 elements where its sizes say 18446744065119617025"}));

TEST(Idx, RefusesSizesThatOverflow) {
  const std::string bytes = "\0\0\x08\x03"s + std::string(12, '\xff');
  EXPECT_EQ(error_of([&] { parse_idx(bytes, 3, "file"); }),
            "file: its sizes overflow; restore it from its source");
}

TEST(Tsv, RowsWithEitherLineEnd) {
  const TemporaryFolder folder;
  TsvReader reader(folder.write("f", "a\tb\r\n\t\nc\td e"), 2, 10, "cure");
  std::vector<std::string_view> fields;
  for (const auto& [first, second] :
       {std::pair<std::string, std::string>{"a", "b"}, {"", ""}, {"c", "d e"}}) {
    ASSERT_TRUE(reader.next(fields));
    EXPECT_EQ(fields, (std::vector<std::string_view>{first, second}));
  }
  EXPECT_FALSE(reader.next(fields));
}

struct BadTsv {
  std::string bytes;
  std::string what;
};

class TsvRefuses : public ::testing::TestWithParam<BadTsv> {};

TEST_P(TsvRefuses, WithPlaceAndReason) {
  const TemporaryFolder folder;
  const auto path = folder.write("f", GetParam().bytes);
  TsvReader reader(path, 2, 10, "cure");
  std::vector<std::string_view> fields;
  EXPECT_EQ(error_of([&] {
              while (reader.next(fields)) {
              }
            }),
            path.string() + GetParam().what + "; cure");
}

INSTANTIATE_TEST_SUITE_P(
    Files, TsvRefuses,
    ::testing::Values(BadTsv{"a\tb\nc\n", ":2: 1 tab-separated columns where 2 belong"},
                      BadTsv{"a\tb\n\n", ":2: 1 tab-separated columns where 2 belong"},
                      BadTsv{"a\tb\tc\n", ":1: 3 tab-separated columns where 2 belong"},
                      BadTsv{"a\tb\0\n"s, ":1: a NUL byte"},
                      BadTsv{"a\tb\n" + std::string(1000, 'x'),
                             ":2: a line longer than 10 bytes"}));

TEST(Tsv, NamesAnAbsentFile) {
  EXPECT_EQ(error_of([] { TsvReader("no/such/file", 2, 10, "cure"); }),
            "cannot read no/such/file; cure");
}

}  // namespace
}  // namespace luna::io
