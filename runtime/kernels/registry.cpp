#include "runtime/kernels/registry.h"

#include <cpuid.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <vector>

#define LUNA_PIPELINE(name) extern "C" int name##_argv(void** arguments);
#include "pipelines.inc"
#undef LUNA_PIPELINE

namespace luna::kernels {
namespace {

using Table = std::unordered_map<std::string, Pipeline>;

/// A row of a schedule: what one device has in place of a pipeline.
struct Tuned {
  const char* device;
  const char* name;
  Pipeline pipeline;
};

const Table& compiled() {
  static const Table pipelines = {
#define LUNA_PIPELINE(name) {#name, &name##_argv},
#include "pipelines.inc"
#undef LUNA_PIPELINE
  };
  return pipelines;
}

const std::vector<Tuned>& tuned() {
  static const std::vector<Tuned> rows = {
#define LUNA_TUNED(device, name, variant) {device, #name, &variant##_argv},
#include "schedules.inc"
#undef LUNA_TUNED
  };
  return rows;
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

std::function<void(const std::string&)>& watcher() {
  static std::function<void(const std::string&)> told;
  return told;
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

Pipeline find_pipeline(const std::string& name, const std::function<std::string()>& device) {
  if (const Pipeline other = replacement(name)) return other;
  for (const Tuned& row : tuned()) {
    if (row.name == name && row.device == device()) return row.pipeline;
  }
  return find(compiled(), name);
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

void replace_pipeline(const std::string& name, Pipeline pipeline) {
  static const Table before = scheduled_for(processor_name());
  own()[name] = pipeline ? pipeline : find(before, name);
  if (pipeline) {
    replaced()[name] = pipeline;
  } else {
    replaced().erase(name);
  }
}

void watch_pipelines(std::function<void(const std::string&)> told) { watcher() = std::move(told); }

}  // namespace luna::kernels
