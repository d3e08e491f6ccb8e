#include "generators/feature_map/feature_map.h"

namespace luna {
namespace {

/// (In a function: maps of other files register before main.)
std::map<std::string, MapFactory>& registry() {
  static std::map<std::string, MapFactory> maps;
  return maps;
}

}  // namespace

void register_map(const std::string& name, MapFactory factory) {
  registry()[name] = std::move(factory);
}

std::unique_ptr<FeatureMap> make_feature_map(const std::string& name, const MapOptions& options) {
  const auto found = registry().find(name);
  if (found == registry().end()) {
    throw Halide::RuntimeError("unknown feature map '" + name + "'");
  }
  return found->second(options);
}

}  // namespace luna
