#include "runtime/kernels/registry.h"

#include <cpuid.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <vector>

#define LUNA_PIPELINE(name) extern "C" int name##_argv(void** arguments);
#include "pipelines.inc"
#undef LUNA_PIPELINE

namespace luna::kernels {
namespace {

using Table = std::unordered_map<std::string, Pipeline>;

const Table& compiled() {
  static const Table pipelines = {
#define LUNA_PIPELINE(name) {#name, &name##_argv},
#include "pipelines.inc"
#undef LUNA_PIPELINE
  };
  return pipelines;
}

const std::vector<Tuned>& tuned() {
  static const std::vector<Tuned> schedule = {
#define LUNA_TUNED(device, name, rows, variant) {device, #name, rows, &variant##_argv},
#include "schedules.inc"
#undef LUNA_TUNED
  };
  return schedule;
}

/// The rows of one pipeline.
const std::vector<Tuned>& tuned(const std::string& name) {
  using Rows = std::vector<Tuned>;
  static const std::unordered_map<std::string, Rows> by_name = [] {
    std::unordered_map<std::string, Rows> all;
    for (const Tuned& row : tuned()) all[row.name].push_back(row);
    return all;
  }();
  static const Rows none;
  const auto found = by_name.find(name);
  return found == by_name.end() ? none : found->second;
}

Table scheduled_for(const std::string& device) {
  Table table = compiled();
  for (const Tuned& row : tuned()) {
    if (row.device == device) table[row.name] = row.pipeline;
  }
  return table;
}

/// As this processor has them; replacements are made here too.
Table& own() {
  static Table pipelines = scheduled_for(processor_name());
  return pipelines;
}

Table& replaced() {
  static Table pipelines;
  return pipelines;
}

uint64_t& generation() {
  static uint64_t number = 0;
  return number;
}

std::function<void(const std::string&)>& watcher() {
  static std::function<void(const std::string&)> told;
  return told;
}

std::function<bool(const std::string&)>& hidden() {
  static std::function<bool(const std::string&)> is;
  return is;
}

Pipeline find(const Table& table, const std::string& name) {
  const auto found = table.find(name);
  return found == table.end() ? nullptr : found->second;
}

/// Tells the watcher; the pipeline that was put in the place of this one, or nullptr.
Pipeline replacement(const std::string& name) {
  if (watcher()) watcher()(name);
  return replaced().empty() ? nullptr : find(replaced(), name);
}

}  // namespace

Pipeline find_pipeline(const std::string& name) {
  const Pipeline other = replacement(name);
  return other ? other : find(own(), name);
}

Pipeline find_pipeline(const std::string& name, const std::function<std::string()>& device,
                       int64_t rows) {
  if (hidden() && hidden()(name)) return nullptr;
  if (const Pipeline other = replacement(name)) return other;
  const Tuned* const row = choose(tuned(name), name, device, rows);
  return row ? row->pipeline : find(compiled(), name);
}

const Tuned* choose(const std::vector<Tuned>& schedule, const std::string& name,
                    const std::function<std::string()>& device, int64_t rows) {
  const Tuned* best = nullptr;
  std::optional<std::string> own;
  for (const Tuned& row : schedule) {
    if (row.name != name || (row.rows > 0 && (rows == 0 || row.rows < rows))) continue;
    if (!own) own = device();
    if (row.device != *own) continue;
    const bool closer = !best || best->rows == 0 || (row.rows > 0 && row.rows < best->rows);
    if (closer) best = &row;
  }
  return best;
}

std::vector<std::string> tuned_pipelines() {
  std::vector<std::string> names;
  for (const Tuned& row : tuned()) {
    if (std::find(names.begin(), names.end(), row.name) == names.end())
      names.emplace_back(row.name);
  }
  return names;
}

const std::string& processor_name() {
  static const std::string name = [] {
    std::array<unsigned, 13> text{};  // twelve registers, and its end
    for (unsigned leaf = 0; leaf < 3; ++leaf) {
      unsigned* const part = &text[4 * leaf];
      __get_cpuid(0x80000002 + leaf, &part[0], &part[1], &part[2], &part[3]);
    }
    const std::string brand(reinterpret_cast<const char*>(text.data()));
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    __get_cpuid(1, &eax, &ebx, &ecx, &edx);
    const unsigned family = (eax >> 8 & 15) + (eax >> 20 & 255);
    const unsigned model = (eax >> 4 & 15) + (eax >> 16 & 15) * 16;
    const size_t first = brand.find_first_not_of(' ');
    return fmt::format("{}, family {} model {}",
                       first == std::string::npos
                           ? brand
                           : brand.substr(first, brand.find_last_not_of(' ') - first + 1),
                       family, model);
  }();
  return name;
}

const Pipeline& pipeline_slot(const std::string& name) { return own().at(name); }

uint64_t pipelines_generation() { return generation(); }

void replace_pipeline(const std::string& name, Pipeline pipeline) {
  ++generation();
  static const Table before = scheduled_for(processor_name());
  own()[name] = pipeline ? pipeline : find(before, name);
  if (pipeline) {
    replaced()[name] = pipeline;
  } else {
    replaced().erase(name);
  }
}

void hide_pipelines(std::function<bool(const std::string&)> is) {
  ++generation();
  hidden() = std::move(is);
}

void watch_pipelines(std::function<void(const std::string&)> told) { watcher() = std::move(told); }

}  // namespace luna::kernels
