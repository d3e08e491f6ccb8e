// A task: data in, batches of token ids and labels out. A batch is a pure function of (seed, step),
// so a resumed run needs no position of a loader. One file per task; the registry is in
// registry.cpp.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace luna::experiments {

enum class Split { train, validation, test };

/// Label of a token that is not asked about.
inline constexpr int64_t kNoLabel = -100;

struct TaskShape {
  int64_t vocabulary;  ///< ids lie in [0, vocabulary); 0 is padding
  int64_t length;      ///< N, longest sequence after padding
  int64_t classes;
  bool per_token;  ///< true: one label a token; false: one a sequence
};

struct Batch {
  /// int64 [B, N], or [B, N, F] where a token has F fields, whose embeddings add up. N <= length.
  /// A token is padding where its id, or its first field, is 0; no other field is 0.
  at::Tensor ids;
  at::Tensor labels;  ///< int64 [B], or [B, N] with kNoLabel where not asked
};

class Task {
 public:
  virtual ~Task() = default;
  virtual const TaskShape& shape() const = 0;
  /// Training batch of `step` (0-based) under `seed`: same arguments, same bits, in any order.
  virtual Batch train_batch(int64_t size, uint64_t seed, int64_t step) const = 0;
  /// Number of held-out examples of validation or test.
  virtual int64_t examples(Split split) const = 0;
  /// Held-out examples [begin, begin + count): the same for every seed and attention.
  virtual Batch held_out(Split split, int64_t begin, int64_t count) const = 0;
  /// Share of the commonest label among the labels asked for in the test split.
  virtual double majority_class() const = 0;
  /// Where the data is from: {"source": str, "files": {name: sha256}, "note": str, ...}. A
  /// stand-in says what it stands in for in "note".
  virtual nlohmann::json provenance() const = 0;
};

/// Where tasks find and keep files: generated sets and the user's own downloads.
struct DataRoot {
  std::filesystem::path path = "data";
};

struct TaskEntry {
  std::string name;
  std::string description;  ///< one line, for `luna list`
  /// Options: the [task] table without "name". Throws UsageError for unknown keys or values.
  void (*check)(const nlohmann::json& options);
  /// Throws as check() does, and std::runtime_error (what is missing, and the cure) when data is
  /// not there or damaged.
  std::unique_ptr<Task> (*make)(const nlohmann::json& options, const DataRoot& root);
  /// Writes what the task reads under root (nothing for tasks that generate in memory); skips what
  /// is there and whole. Calls say() with a line a step.
  void (*prepare)(const nlohmann::json& options, const DataRoot& root,
                  const std::function<void(const std::string&)>& say);
  /// Checks files against their recorded checksums; throws std::runtime_error naming the first bad
  /// one.
  void (*verify)(const nlohmann::json& options, const DataRoot& root,
                 const std::function<void(const std::string&)>& say);
};

const std::vector<TaskEntry>& task_registry();
/// Throws UsageError naming the nearest.
const TaskEntry& find_task(const std::string& name);

}  // namespace luna::experiments
