// The rows of fixed_maps.cpp that have a file of their own.
#pragma once

#include "runtime/ops/fixed_maps.h"

namespace luna::ops {

/// A map of one coordinate: D = d, no parameters, no option.
inline FixedMap elementwise_map(const char* name, const char* formula, const char* source,
                                at::Tensor (*phi)(const at::Tensor& x)) {
  FixedMap map{name, formula, source, "d",
               [](const c10::SymInt& d, const c10::SymInt&, int64_t) { return d; }};
  map.phi = phi;
  return map;
}

FixedMap performer_map();    // random_features.cpp
FixedMap rff_map();          // random_features.cpp
FixedMap rfa_map();          // random_features.cpp
FixedMap cosformer_map();    // cosformer.cpp
FixedMap dpfp_map();         // products.cpp
FixedMap taylor2_map();      // products.cpp
FixedMap t2r_map();          // affine.cpp
FixedMap hedgehog_map();     // affine.cpp
FixedMap polaformer_map();   // polaformer.cpp
FixedMap luna_deep_map();    // psi_tables.cpp
FixedMap luna_spline_map();  // psi_tables.cpp

}  // namespace luna::ops
