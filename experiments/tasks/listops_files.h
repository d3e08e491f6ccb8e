// Files of ListOps: three tables in the format of the Long Range Arena and, where they are
// generated, a manifest of what they hold.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "experiments/tasks/listops_data.h"

namespace luna::experiments {

/// Training, validation, test.
inline constexpr std::array<const char*, 3> kListOpsFiles = {"basic_train.tsv", "basic_val.tsv",
                                                             "basic_test.tsv"};
inline constexpr char kListOpsManifest[] = "manifest.json";

struct ListOpsSet {
  ListOpsParameters parameters;
  std::array<int64_t, 3> rows = {96'000, 2'000, 2'000};
};

/// "listops-<hash>": sets that differ in anything have different folders.
std::string listops_folder(const ListOpsSet& set);

/// Writes the files and then the manifest, each of them whole or not at all. say() gets a line a
/// file. Throws as generate_listops and io::AtomicFile do.
void write_listops(const std::filesystem::path& folder, const ListOpsSet& set,
                   const std::function<void(const std::string&)>& say);

/// What is wrong with the files of a set, by manifest and checksums: one line about the first bad
/// one; empty if they are whole.
std::string listops_damage(const std::filesystem::path& folder, const ListOpsSet& set);

/// The same, without reading files whose sizes and times are those of the last check that found
/// them whole. That check is recorded beside the manifest, where the folder may be written.
std::string listops_damage_since(const std::filesystem::path& folder, const ListOpsSet& set);

/// The rows of one file. Throws std::runtime_error "<path>:<line>: <what>; <cure>" about the first
/// that is malformed, holds more than `longest` tokens, or has a wrong value.
std::vector<ListOpsExample> read_listops(const std::filesystem::path& path, int64_t longest,
                                         const std::string& cure);

}  // namespace luna::experiments
