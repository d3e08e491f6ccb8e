// Small cases over every fixed map, option and mode, for tests of the oracle.
#pragma once

#include "runtime/ops/fixed_maps.h"
#include "tests/support/inputs.h"

namespace luna::test {

inline ops::Inputs in_double(ops::Inputs in) {
  for (at::Tensor* x : {&in.q, &in.k, &in.v}) *x = x->to(at::kDouble);
  for (at::Tensor& p : in.params) p = p.to(at::kDouble);
  return in;
}

/// Whether a map can be causal: its features do not depend on how many tokens there are.
inline bool causal_capable(const std::string& name) { return name != "cosformer"; }

/// One causal case a map; N = Nq = 6, two batches, grouped heads.
inline Case causal_case(const std::string& name) {
  Case c = small_case(name);
  c.shape = {2, 4, 2, 6, 6, 3, 4, 5, 2, 5};
  c.spec.causal = true;
  return c;
}

/// Every map with every option: masked and not causal, causal; with params of each key head where
/// it takes them.
inline std::vector<Case> map_cases() {
  std::vector<Case> cases;
  for (const std::string& name : ops::fixed_map_variants()) {
    Case c = causal_case(name);
    if (causal_capable(name)) cases.push_back(c);
    c.spec.causal = false;
    c.shape.N = 7;
    c.mask = MaskKind::random;
    c.spec.denominator = "clamp_min";
    cases.push_back(c);
    for (const ops::MapParam& param : ops::find_fixed_map(name).params()) {
      if (param.heads == ops::ParamHeads::shared || c.per_head) continue;
      c.per_head = true;
      cases.push_back(c);
    }
  }
  for (const int64_t keys : {4, 9}) {  // more and fewer queries than keys
    Case c = causal_case("elu");
    c.shape.N = keys;
    cases.push_back(c);
  }
  return cases;
}

/// The names of those that can be causal, and LUNA.
inline std::vector<std::string> causal_maps() {
  std::vector<std::string> names{"luna"};
  for (const std::string& name : ops::fixed_map_variants()) {
    if (causal_capable(name)) names.push_back(name);
  }
  return names;
}

/// GoogleTest takes letters, digits and _ in a name.
inline std::string map_test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& letter : name) letter = std::isalnum(letter) ? letter : '_';
  return name;
}

}  // namespace luna::test
