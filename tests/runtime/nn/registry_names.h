// The registry's attentions as parameters of tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/nn/attention.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/fixed_maps.h"

namespace luna::nn {

inline std::vector<std::string> registry_names() {
  std::vector<std::string> names;
  for (const AttentionEntry& entry : attention_registry()) {
    names.push_back(entry.name);
  }
  return names;
}

/// GoogleTest takes no '-' in a name.
inline std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

}  // namespace luna::nn
