// One cell: one attention on one task with one seed, everything that determines its result.
// Filled from a configuration by experiments/runner, written as config.resolved.toml, trained by
// train_cell().
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "experiments/tasks/task.h"

namespace luna::experiments {

struct ModelConfig {
  std::string attention = "softmax";  ///< a name that nn::find_attention() knows
  int64_t layers = 2, width = 64, heads = 2, ffn = 128;
  double dropout = 0.0;
  int64_t m = 16, L = 8, hid = 64;  ///< luna
  int64_t features = 128;           ///< fixed maps: rows of W
  int64_t redraw = 0;               ///< steps between draws of a fixed map's W; 0: never
};

struct TrainConfig {
  int64_t steps = 1000, batch = 32;
  double lr = 1e-3;
  /// "cosine": linear warm-up to lr, cosine to 0. "floored_cosine" (luna.md 3.2): warm-up from
  /// 0.1 lr, cosine to 0.4 lr. "one_cycle" (3.1): linear OneCycleLR with beta1 cycling.
  std::string schedule = "cosine";
  int64_t warmup = 100;
  double beta1 = 0.9, beta2 = 0.98, adam_eps = 1e-8, weight_decay = 0.0;
  std::string clip = "norm";  ///< "norm", "value", "none"
  double clip_at = 1.0;
  int64_t log_every = 10;           ///< steps between train lines in metrics.jsonl
  int64_t eval_every = 100;         ///< steps between evaluations on validation
  int64_t eval_examples = 1000;     ///< of validation during training
  int64_t final_examples = 2000;    ///< of validation and test at the end
  int64_t checkpoint_seconds = 20;  ///< least time between checkpoints
  double divergence = 1e4;          ///< watchdog: loss above this is divergence
};

struct CellConfig {
  std::string experiment;  ///< "recall"
  std::string cell;        ///< folder name, the attention's unless a grid varies more
  int64_t seed = 0;
  nlohmann::json task;  ///< {"name": ..., options}
  ModelConfig model;
  TrainConfig train;
};

/// Every field, in the layout of the TOML file; from_json throws UsageError for unknown keys.
nlohmann::json to_json(const CellConfig& config);
CellConfig cell_from_json(const nlohmann::json& object);

enum class CellOutcome { trained, was_done };

struct CellProgress {
  int64_t step, steps;
  double loss;              ///< of the last step
  double seconds_per_step;  ///< recent mean
};

/// Trains the cell in `folder` (created): config.resolved.toml, env.json, metrics.jsonl,
/// checkpoint/, DONE as reports/results.h reads them. Resumes from a checkpoint with identical
/// bits; skips when DONE is there. Throws UsageError when the folder holds another configuration or
/// is locked by a running process; std::runtime_error when the loss is not finite or diverges
/// (FAILED is written) or the disk refuses. `progress` is called after every step.
CellOutcome train_cell(const CellConfig& config, const std::filesystem::path& folder,
                       const DataRoot& data,
                       const std::function<void(const CellProgress&)>& progress);

/// The same on a task that is already made.
CellOutcome train_cell(const CellConfig& config, const std::filesystem::path& folder,
                       const Task& task, const std::function<void(const CellProgress&)>& progress);

}  // namespace luna::experiments
