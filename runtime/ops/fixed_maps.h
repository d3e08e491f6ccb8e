// The fixed feature maps by name: what the operators accept, `luna list` prints and the tests run
// over. A new map is one row of fixed_maps.cpp.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace luna::ops {

struct FixedMap {
  const char* name;
  const char* formula;  ///< in words, with its source
  const char* params;   ///< what Inputs::params holds, for people
  /// phi of a map of one coordinate (D = d, no parameters), any dtype: the oracle. nullptr for maps
  /// of a projection, whose formula is in reference.cpp.
  at::Tensor (*phi)(const at::Tensor& x);

  bool elementwise() const { return phi != nullptr; }
};

const std::vector<FixedMap>& fixed_maps();
std::vector<const char*> fixed_map_names();

/// The map of that name, or nullptr.
const FixedMap* find_fixed_map(const std::string& name);

}  // namespace luna::ops
