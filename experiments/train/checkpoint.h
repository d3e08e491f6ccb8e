// Checkpoints: everything that a run needs to go on with identical bits, in one file that is whole
// or absent. Layout: a line "luna checkpoint 1 <sha256 of the rest>", then torch's archive of the
// tensors. Tested in tests/experiments/train.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

namespace luna::experiments {

struct Checkpoint {
  std::vector<at::Tensor> tensors;  ///< optimizer state and parameters, buffers, generator state
  nlohmann::json facts;             ///< configuration, step, seconds, bytes of metrics.jsonl
};

/// Throws std::runtime_error naming the file and the cure when the disk refuses.
void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint);

/// Throws std::runtime_error naming the file and the cure when it is damaged.
Checkpoint load_checkpoint(const std::filesystem::path& path);

/// Copies the checkpoint's first tensors into `own`. Throws std::runtime_error naming the file at
/// `path` and the cure, and copies nothing, when their number, sizes or types differ.
void restore(const std::filesystem::path& path, const Checkpoint& checkpoint,
             const std::vector<at::Tensor>& own);

}  // namespace luna::experiments
