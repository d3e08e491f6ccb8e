// ListOps: the value of a nested expression over digits. Generated with the published generator's
// distribution, or read from the release of the Long Range Arena.
#include <fmt/ranges.h>

#include <algorithm>

#include "experiments/config/options.h"
#include "experiments/tasks/entries.h"
#include "experiments/tasks/listops_files.h"
#include "experiments/tasks/sampling.h"
#include "runtime/io/sha256.h"

namespace luna::experiments {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kPadding = 16;  // sequences end at a multiple of this many tokens
// As the archive unpacks, first.
constexpr std::array<const char*, 3> kReleasePlaces = {"lra_release/lra_release/listops-1000",
                                                       "lra_release/listops-1000", "listops-1000"};
constexpr char kRestore[] = "restore it from the release of the Long Range Arena";

/// What makes the files.
std::string make_cure(const DataRoot& root) {
  return fmt::format(
      "run: luna data make --data {0} --task listops, or luna data make --data {0} --tier TIER "
      "where a tier sets its options",
      root.path.string());
}

struct ListOpsOptions {
  bool release;
  ListOpsTokenizer tokenizer;
  ListOpsSet set;  ///< of a release, only the greatest length
};

void read_set(OptionReader& reader, ListOpsSet& set) {
  ListOpsParameters& p = set.parameters;
  p.min_length = reader.integer("min_length", p.min_length, 0, 1 << 16);
  p.max_depth = reader.integer("max_depth", p.max_depth, 1, 64);
  p.min_args = reader.integer("min_args", p.min_args, 1, 1 << 10);
  p.max_args = reader.integer("max_args", p.max_args, 1, 1 << 10);
  p.p_operator = reader.real("p_operator", p.p_operator, 0, 1);
  p.root_operator = reader.boolean("root_operator", p.root_operator);
  p.data_seed = reader.integer("data_seed", 0, 0, int64_t{1} << 32);
  set.rows[0] = reader.integer("train", set.rows[0], 1, 10'000'000);
  set.rows[1] = reader.integer("validation", set.rows[1], 1, 1'000'000);
  set.rows[2] = reader.integer("test", set.rows[2], 1, 1'000'000);
  if (p.min_args > p.max_args) {
    throw UsageError(fmt::format("task.min_args is {} and task.max_args {}: raise task.max_args",
                                 p.min_args, p.max_args));
  }
  if (p.min_length + 2 > p.max_length) {
    throw UsageError(
        fmt::format("task.min_length is {} and task.max_length {}: no length lies "
                    "between them; raise task.max_length",
                    p.min_length, p.max_length));
  }
}

ListOpsOptions read_options(const nlohmann::json& object) {
  OptionReader reader(object, "task");
  ListOpsOptions options;
  options.release = reader.choice("source", "generated", {"generated", "release"}) == "release";
  options.tokenizer = reader.choice("tokenizer", "brackets", {"brackets", "lra"}) == "lra"
                          ? ListOpsTokenizer::lra
                          : ListOpsTokenizer::brackets;
  int64_t& longest = options.set.parameters.max_length;
  longest = reader.integer("max_length", longest, 2, 1 << 16);
  if (!options.release) read_set(reader, options.set);
  reader.finish();
  return options;
}

/// Where the files are. Throws where they are not.
fs::path find_folder(const ListOpsOptions& options, const DataRoot& root) {
  if (!options.release) {
    const fs::path folder = root.path / listops_folder(options.set);
    if (fs::exists(folder / kListOpsManifest)) return folder;
    throw std::runtime_error(
        fmt::format("listops data is missing in {}; {}", folder.string(), make_cure(root)));
  }
  for (const char* place : kReleasePlaces) {
    if (fs::exists(root.path / place / kListOpsFiles[0])) return root.path / place;
  }
  throw std::runtime_error(
      fmt::format("the release of listops is not in {0}: none of {1} is there; unpack "
                  "lra_release.gz under {0}",
                  root.path.string(), fmt::join(kReleasePlaces, ", ")));
}

std::vector<ListOpsExample> read_split(const ListOpsOptions& options, const DataRoot& root,
                                       const fs::path& folder, size_t split) {
  const std::string cure = options.release ? kRestore : make_cure(root);
  const fs::path path = folder / kListOpsFiles[split];
  auto examples = read_listops(path, options.set.parameters.max_length, cure);
  const auto rows = static_cast<int64_t>(examples.size());
  const int64_t expected = options.release ? std::max<int64_t>(rows, 1) : options.set.rows[split];
  if (rows != expected) {
    throw std::runtime_error(
        fmt::format("{} holds {} rows where {} belong; {}", path.string(), rows, expected, cure));
  }
  return examples;
}

class ListOps : public Task {
 public:
  ListOps(const ListOpsOptions& options, const DataRoot& root)
      : options_(options),
        folder_(find_folder(options, root)),
        splits_{read_split(options, root, folder_, 0), read_split(options, root, folder_, 1),
                read_split(options, root, folder_, 2)},
        order_(examples(Split::train)) {
    shape_.vocabulary = listops_vocabulary(options.tokenizer);
    shape_.length = options.set.parameters.max_length;
    shape_.classes = 10;
    shape_.per_token = false;
  }

  const TaskShape& shape() const override { return shape_; }

  int64_t examples(Split split) const override { return static_cast<int64_t>(of(split).size()); }

  Batch train_batch(int64_t size, uint64_t seed, int64_t step) const override {
    return batch(of(Split::train), order_.batch(size, seed, step));
  }

  Batch held_out(Split split, int64_t begin, int64_t count) const override {
    return batch(of(split), held_out_range(begin, count, examples(split)));
  }

  double majority_class() const override {
    std::vector<int64_t> labels;
    for (const ListOpsExample& example : of(Split::test)) labels.push_back(example.label);
    return majority_share(labels, shape_.classes);
  }

  nlohmann::json provenance() const override {
    nlohmann::json files;
    for (const char* name : kListOpsFiles) files[name] = io::sha256_file(folder_ / name);
    return {
        {"source", folder_.string()},
        {"files", files},
        {"note", fmt::format("ListOps, {}; {}",
                             options_.release ? "the release of the Long Range Arena"
                                              : "drawn from the published generator's distribution",
                             options_.tokenizer == ListOpsTokenizer::brackets
                                 ? "brackets are tokens"
                                 : "brackets dropped, as in the Arena's first results")}};
  }

 private:
  const std::vector<ListOpsExample>& of(Split split) const {
    return splits_[static_cast<size_t>(split)];
  }

  Batch batch(const std::vector<ListOpsExample>& split, const std::vector<int64_t>& indices) const {
    std::vector<std::vector<int64_t>> rows;
    size_t longest = 1;
    for (const int64_t index : indices) {
      rows.push_back(listops_ids(split[index].tokens, options_.tokenizer));
      longest = std::max(longest, rows.back().size());
    }
    const int64_t padded = (static_cast<int64_t>(longest) + kPadding - 1) / kPadding * kPadding;
    const int64_t length = std::min(padded, shape_.length);
    const auto size = static_cast<int64_t>(rows.size());
    Batch out{at::zeros({size, length}, at::kLong), at::empty({size}, at::kLong)};
    for (int64_t b = 0; b < size; ++b) {
      std::copy(rows[b].begin(), rows[b].end(), out.ids.mutable_data_ptr<int64_t>() + b * length);
      out.labels.mutable_data_ptr<int64_t>()[b] = split[indices[b]].label;
    }
    return out;
  }

  ListOpsOptions options_;
  fs::path folder_;
  std::array<std::vector<ListOpsExample>, 3> splits_;
  EpochOrder order_;
  TaskShape shape_;
};

void check(const nlohmann::json& options) { read_options(options); }

std::unique_ptr<Task> make(const nlohmann::json& object, const DataRoot& root) {
  return std::make_unique<ListOps>(read_options(object), root);
}

using Say = std::function<void(const std::string&)>;

/// A release has no recorded checksums: its rows are read instead.
void check_release(const ListOpsOptions& options, const DataRoot& root, const Say& say) {
  const fs::path folder = find_folder(options, root);
  for (size_t split = 0; split < kListOpsFiles.size(); ++split) {
    say(fmt::format("{}: {} good rows", (folder / kListOpsFiles[split]).string(),
                    read_split(options, root, folder, split).size()));
  }
}

void prepare(const nlohmann::json& object, const DataRoot& root, const Say& say) {
  const ListOpsOptions options = read_options(object);
  if (options.release) return check_release(options, root, say);
  const fs::path folder = root.path / listops_folder(options.set);
  const std::string damage = listops_damage_since(folder, options.set);
  if (damage.empty()) return say(fmt::format("{} is whole", folder.string()));
  say(damage);
  write_listops(folder, options.set, say);
}

void verify(const nlohmann::json& object, const DataRoot& root, const Say& say) {
  const ListOpsOptions options = read_options(object);
  if (options.release) return check_release(options, root, say);
  const fs::path folder = root.path / listops_folder(options.set);
  const std::string damage = listops_damage(folder, options.set);
  if (!damage.empty()) throw std::runtime_error(damage + "; " + make_cure(root));
  say(fmt::format("{} is whole", folder.string()));
}

}  // namespace

TaskEntry listops_entry() {
  return {"listops", "nested MIN, MAX, MED and SM over digits: the value, 0 .. 9",
          check,     make,
          prepare,   verify};
}

}  // namespace luna::experiments
