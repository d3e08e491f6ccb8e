#include "runtime/kernels/registry.h"

#include <unordered_map>

#define LUNA_PIPELINE(name) extern "C" int name##_argv(void** arguments);
#include "pipelines.inc"
#undef LUNA_PIPELINE

namespace luna::kernels {

Pipeline find_pipeline(const std::string& name) {
  static const std::unordered_map<std::string, Pipeline> pipelines = {
#define LUNA_PIPELINE(name) {#name, &name##_argv},
#include "pipelines.inc"
#undef LUNA_PIPELINE
  };
  const auto found = pipelines.find(name);
  return found == pipelines.end() ? nullptr : found->second;
}

}  // namespace luna::kernels
