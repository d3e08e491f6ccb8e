#include "experiments/tasks/listops_files.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "runtime/io/atomic_file.h"
#include "runtime/io/sha256.h"
#include "runtime/io/tsv.h"

namespace luna::experiments {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

// To be raised when the same parameters give other expressions.
constexpr int kGeneratorVersion = 1;
// A token with its parentheses and blanks: "( ", "[MAX", " )", " ".
constexpr size_t kMostBytesPerToken = 16;

json parameters_of(const ListOpsSet& set) {
  const ListOpsParameters& p = set.parameters;
  return {{"generator", kGeneratorVersion}, {"min_length", p.min_length},
          {"max_length", p.max_length},     {"max_depth", p.max_depth},
          {"min_args", p.min_args},         {"max_args", p.max_args},
          {"p_operator", p.p_operator},     {"root_operator", p.root_operator},
          {"data_seed", p.data_seed},       {"rows", set.rows}};
}

constexpr char kChecked[] = "checked.json";  // sizes and times at the last full check

/// Null where the file holds no JSON.
json read_json(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const json value = json::parse(file, nullptr, false);
  return value.is_discarded() ? json() : value;
}

/// {"<file>": [bytes, time]} of the manifest and the tables; null where one is missing.
json stamps_of(const fs::path& folder) {
  json stamps;
  std::vector<std::string> names(kListOpsFiles.begin(), kListOpsFiles.end());
  names.push_back(kListOpsManifest);
  for (const std::string& name : names) {
    std::error_code error;
    const uintmax_t bytes = fs::file_size(folder / name, error);
    if (error) return {};
    const auto time = fs::last_write_time(folder / name, error);
    stamps[name] = {bytes, time.time_since_epoch().count()};
  }
  return stamps;
}

json manifest_of(const fs::path& folder, const ListOpsSet& set) {
  json files;
  for (size_t i = 0; i < kListOpsFiles.size(); ++i) {
    files[kListOpsFiles[i]] = {{"rows", set.rows[i]},
                               {"sha256", io::sha256_file(folder / kListOpsFiles[i])}};
  }
  return {{"parameters", parameters_of(set)}, {"files", files}};
}

}  // namespace

std::string listops_folder(const ListOpsSet& set) {
  return "listops-" + io::sha256(parameters_of(set).dump()).substr(0, 12);
}

void write_listops(const fs::path& folder, const ListOpsSet& set,
                   const std::function<void(const std::string&)>& say) {
  const int64_t total = set.rows[0] + set.rows[1] + set.rows[2];
  say(fmt::format("drawing {} expressions", total));
  const auto examples = generate_listops(set.parameters, total);
  auto example = examples.begin();
  for (size_t i = 0; i < kListOpsFiles.size(); ++i) {
    const fs::path path = folder / kListOpsFiles[i];
    io::AtomicFile file(path);
    file.append("Source\tTarget\n");
    for (int64_t row = 0; row < set.rows[i]; ++row, ++example) {
      file.append(fmt::format("{}\t{}\n", listops_text(example->tokens), example->label));
    }
    file.commit();
    say(fmt::format("wrote {}: {} rows", path.string(), set.rows[i]));
  }
  io::write_file_atomically(folder / kListOpsManifest, manifest_of(folder, set).dump(2) + "\n");
}

std::string listops_damage(const fs::path& folder, const ListOpsSet& set) {
  const fs::path manifest_path = folder / kListOpsManifest;
  if (!fs::exists(manifest_path)) {
    return fmt::format("listops data is missing in {}", folder.string());
  }
  for (const char* name : kListOpsFiles) {
    if (!fs::exists(folder / name)) return fmt::format("{} is missing", (folder / name).string());
  }
  const json recorded = read_json(manifest_path);
  const json found = manifest_of(folder, set);
  if (recorded == found) return "";
  for (const char* name : kListOpsFiles) {
    const json::json_pointer checksum(fmt::format("/files/{}/sha256", name));
    if (recorded.contains(checksum) && recorded.at(checksum) != found.at(checksum)) {
      return fmt::format("{} has SHA-256 {} where {} belongs", (folder / name).string(),
                         found.at(checksum).dump(), recorded.at(checksum).dump());
    }
  }
  return fmt::format("{} is damaged", manifest_path.string());
}

std::string listops_damage_since(const fs::path& folder, const ListOpsSet& set) {
  const json stamps = stamps_of(folder);
  if (stamps.is_object() && read_json(folder / kChecked) == stamps) return "";
  const std::string damage = listops_damage(folder, set);
  if (!damage.empty()) return damage;
  try {
    io::write_file_atomically(folder / kChecked, stamps.dump() + "\n");
  } catch (const std::runtime_error&) {
    // A folder that may not be written is checked in full every time.
  }
  return "";
}

std::vector<ListOpsExample> read_listops(const fs::path& path, int64_t longest,
                                         const std::string& cure) {
  io::TsvReader reader(path, 2, longest * kMostBytesPerToken, cure);
  std::vector<std::string_view> fields;
  if (!reader.next(fields) || fields[0] != "Source" || fields[1] != "Target") {
    reader.fail("no header 'Source<TAB>Target'");
  }
  std::vector<ListOpsExample> examples;
  while (reader.next(fields)) {
    try {
      examples.push_back(parse_listops(fields[0], fields[1], longest));
    } catch (const std::invalid_argument& error) {
      reader.fail(error.what());
    }
  }
  return examples;
}

}  // namespace luna::experiments
