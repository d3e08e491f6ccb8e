#include "runtime/io/sha256.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <vector>

namespace luna::io {
namespace {

class Digest {
 public:
  Digest() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    require(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }
  void update(std::string_view bytes) {
    require(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
  }
  std::string hex() {
    std::array<unsigned char, 32> bytes;
    require(EVP_DigestFinal_ex(context_.get(), bytes.data(), nullptr) == 1);
    return fmt::format("{:02x}", fmt::join(bytes, ""));
  }

 private:
  static void require(bool done) {
    if (!done) throw std::runtime_error("OpenSSL cannot compute SHA-256; check its configuration");
  }
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string sha256(std::string_view bytes) {
  Digest digest;
  digest.update(bytes);
  return digest.hex();
}

std::string sha256_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  Digest digest;
  std::vector<char> piece(1 << 20);
  while (file) {
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    digest.update({piece.data(), static_cast<size_t>(file.gcount())});
  }
  if (!file.eof()) {
    throw std::runtime_error(
        fmt::format("cannot read {}; check that it exists and may be read", path.string()));
  }
  return digest.hex();
}

}  // namespace luna::io
