#include "experiments/train/checkpoint.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <torch/serialize.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>

#include "runtime/io/atomic_file.h"
#include "runtime/io/sha256.h"

namespace luna::experiments {
namespace {

constexpr const char* kMagic = "luna checkpoint 1 ";

at::Tensor text_tensor(const std::string& text) {
  const at::Tensor bytes = at::empty({static_cast<int64_t>(text.size())}, at::kByte);
  std::memcpy(bytes.data_ptr(), text.data(), text.size());
  return bytes;
}

std::string tensor_text(const at::Tensor& bytes) {
  return {static_cast<const char*>(bytes.const_data_ptr()), static_cast<size_t>(bytes.numel())};
}

[[noreturn]] void damaged(const std::filesystem::path& path, const std::string& how) {
  throw std::runtime_error(
      fmt::format("{}: damaged checkpoint ({}); delete {} to start this cell again", path.string(),
                  how, path.parent_path().string()));
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint) {
  std::vector<at::Tensor> all = checkpoint.tensors;
  all.push_back(text_tensor(checkpoint.facts.dump()));
  std::ostringstream archive;
  torch::save(all, archive);
  const std::string body = archive.str();
  io::AtomicFile file(path);
  file.append(kMagic + io::sha256(body) + "\n");
  file.append(body);
  file.commit();
}

Checkpoint load_checkpoint(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string head;
  std::getline(file, head);
  std::stringstream rest;
  rest << file.rdbuf();
  const std::string body = rest.str();
  if (head.rfind(kMagic, 0) != 0) damaged(path, "not a checkpoint of this program");
  if (head != kMagic + io::sha256(body)) damaged(path, "its checksum does not match");
  Checkpoint checkpoint;
  std::istringstream archive(body);
  torch::load(checkpoint.tensors, archive);
  checkpoint.facts = nlohmann::json::parse(tensor_text(checkpoint.tensors.back()));
  checkpoint.tensors.pop_back();
  return checkpoint;
}

void restore(const std::filesystem::path& path, const Checkpoint& checkpoint,
             const std::vector<at::Tensor>& own) {
  const auto alike = [](const at::Tensor& a, const at::Tensor& b) {
    return a.sizes() == b.sizes() && a.dtype() == b.dtype();
  };
  if (checkpoint.tensors.size() < own.size() ||
      !std::equal(own.begin(), own.end(), checkpoint.tensors.begin(), alike)) {
    damaged(path, "its tensors are of another model");
  }
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < own.size(); ++i) own[i].copy_(checkpoint.tensors[i]);
}

}  // namespace luna::experiments
