#include "generators/feature_map/feature_map.h"

#include <functional>

#include "generators/feature_map/elementwise.h"
#include "generators/feature_map/favor.h"
#include "generators/feature_map/psi_dense.h"
#include "generators/feature_map/psi_pwl.h"

namespace luna {
namespace {

using Factory = std::function<std::unique_ptr<FeatureMap>(const MapOptions&)>;

template <typename Map, typename... Extra>
Factory factory(Extra... extra) {
  return [=](const MapOptions& options) { return std::make_unique<Map>(options, extra...); };
}

const std::map<std::string, Factory>& registry() {
  static const std::map<std::string, Factory> maps = {
      {"pwl", factory<PsiPwl>()},
      {"dense_relu", factory<PsiDense>(Activation::relu)},
      {"dense_gelu", factory<PsiDense>(Activation::gelu)},
      {"dense_silu", factory<PsiDense>(Activation::silu)},
      {"elu", factory<Elu>()},
      {"relu", factory<Relu>()},
      {"performer", factory<Favor>()},
  };
  return maps;
}

}  // namespace

std::unique_ptr<FeatureMap> make_feature_map(const std::string& name, const MapOptions& options) {
  const auto found = registry().find(name);
  if (found == registry().end()) {
    throw Halide::RuntimeError("unknown feature map '" + name + "'");
  }
  return found->second(options);
}

}  // namespace luna
