// Recall: bound associative recall. P tokens, each a key together with its value, then P queries,
// each one of those keys again; the label of a query is its key's value. The keys of a sequence are
// distinct and every one is queried once, in random order.
//
// A token has two fields, embedded from one table: its key, and its value or the query mark.
// Ids: 0 padding; 1 .. keys; then the values; then the query mark.
#include <fmt/format.h>

#include "experiments/config/options.h"
#include "experiments/tasks/entries.h"
#include "experiments/tasks/random.h"
#include "experiments/tasks/sampling.h"

namespace luna::experiments {
namespace {

constexpr int64_t kFields = 2;

// First part of every key of random numbers: training never meets a held-out sequence's key.
enum Stream : uint64_t { kTraining = 0x5eca11, kValidation, kTest };

struct RecallOptions {
  int64_t pairs;
  int64_t keys;
  int64_t values;
  int64_t held_out;
};

RecallOptions read_options(const nlohmann::json& object) {
  OptionReader reader(object, "task");
  RecallOptions options;
  options.pairs = reader.integer("pairs", 64, 1, 1 << 16);
  options.keys = reader.integer("keys", 128, 1, 1 << 20);
  options.values = reader.integer("values", 32, 2, 1 << 20);
  options.held_out = reader.integer("held_out", 1000, 1, 1 << 20);
  reader.finish();
  if (options.pairs > options.keys) {
    throw UsageError(
        fmt::format("task.pairs is {} and task.keys {}: the keys of a sequence are distinct; raise "
                    "task.keys or lower task.pairs",
                    options.pairs, options.keys));
  }
  return options;
}

class Recall : public Task {
 public:
  explicit Recall(const RecallOptions& options) : options_(options) {
    shape_.vocabulary = options.keys + options.values + 2;
    shape_.length = 2 * options.pairs;
    shape_.classes = options.values;
    shape_.per_token = true;
  }

  const TaskShape& shape() const override { return shape_; }
  int64_t examples(Split) const override { return options_.held_out; }

  Batch train_batch(int64_t size, uint64_t seed, int64_t step) const override {
    Random random({kTraining, seed, static_cast<uint64_t>(step)});
    Batch batch = empty_batch(size);
    for (int64_t b = 0; b < size; ++b) write_sequence(random, batch, b);
    return batch;
  }

  Batch held_out(Split split, int64_t begin, int64_t count) const override {
    const uint64_t stream = split == Split::test ? kTest : kValidation;
    Batch batch = empty_batch(count);
    int64_t b = 0;
    for (const int64_t example : held_out_range(begin, count, options_.held_out)) {
      Random random({stream, static_cast<uint64_t>(example)});
      write_sequence(random, batch, b++);
    }
    return batch;
  }

  double majority_class() const override {
    const at::Tensor labels = held_out(Split::test, 0, options_.held_out).labels;
    const at::Tensor asked = labels.masked_select(labels != kNoLabel);
    const int64_t* first = asked.const_data_ptr<int64_t>();
    return majority_share({first, first + asked.numel()}, options_.values);
  }

  nlohmann::json provenance() const override {
    return {{"source", "generated in memory"},
            {"files", nlohmann::json::object()},
            {"note", fmt::format("bound associative recall: {} pairs, {} keys, {} values",
                                 options_.pairs, options_.keys, options_.values)}};
  }

 private:
  Batch empty_batch(int64_t size) const {
    return {at::empty({size, shape_.length, kFields}, at::kLong),
            at::full({size, shape_.length}, kNoLabel, at::kLong)};
  }

  /// Sequence b of the batch.
  void write_sequence(Random& random, Batch& batch, int64_t b) const {
    const int64_t query_mark = 1 + options_.keys + options_.values;
    auto ids = batch.ids.accessor<int64_t, 3>()[b];        // [N, F]
    auto labels = batch.labels.accessor<int64_t, 2>()[b];  // [N]
    const auto keys = random.distinct(options_.pairs, options_.keys);
    const auto asked = random.distinct(options_.pairs, options_.pairs);
    for (int64_t i = 0; i < options_.pairs; ++i) {
      ids[i][0] = 1 + keys[i];
      ids[i][1] = 1 + options_.keys + random.below(options_.values);
    }
    for (int64_t i = 0; i < options_.pairs; ++i) {
      ids[options_.pairs + i][0] = ids[asked[i]][0];
      ids[options_.pairs + i][1] = query_mark;
      labels[options_.pairs + i] = ids[asked[i]][1] - 1 - options_.keys;
    }
  }

  RecallOptions options_;
  TaskShape shape_;
};

void check(const nlohmann::json& options) { read_options(options); }

std::unique_ptr<Task> make(const nlohmann::json& options, const DataRoot&) {
  return std::make_unique<Recall>(read_options(options));
}

void nothing_on_disk(const nlohmann::json& options, const DataRoot&,
                     const std::function<void(const std::string&)>& say) {
  read_options(options);
  say("generated in memory, no files");
}

}  // namespace

TaskEntry recall_entry() {
  return {
      "recall",        "key-value pairs, then queries: recall the value of each key (in memory)",
      check,           make,
      nothing_on_disk, nothing_on_disk};
}

}  // namespace luna::experiments
