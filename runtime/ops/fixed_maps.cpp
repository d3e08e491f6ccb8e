#include "runtime/ops/fixed_maps.h"

#include <algorithm>

namespace luna::ops {
namespace {

at::Tensor elu(const at::Tensor& x) { return at::where(x > 0, x + 1, x.clamp_max(0).exp()); }
at::Tensor relu(const at::Tensor& x) { return x.relu(); }

}  // namespace

const std::vector<FixedMap>& fixed_maps() {
  static const std::vector<FixedMap> maps = {
      {"elu", "phi(x) = elu(x) + 1 (Katharopoulos 2020, eq. 7)", "no params", elu},
      {"relu", "phi(x) = max(x, 0)", "no params", relu},
      {"performer", "FAVOR+, positive random features of the softmax kernel (Choromanski 2021)",
       "params: W [m, d], drawn once", nullptr},
  };
  return maps;
}

std::vector<const char*> fixed_map_names() {
  std::vector<const char*> names;
  for (const FixedMap& map : fixed_maps()) names.push_back(map.name);
  return names;
}

const FixedMap* find_fixed_map(const std::string& name) {
  const auto& maps = fixed_maps();
  const auto found =
      std::find_if(maps.begin(), maps.end(), [&](const FixedMap& map) { return name == map.name; });
  return found == maps.end() ? nullptr : &*found;
}

}  // namespace luna::ops
