// A change to a good call and the words that refuse it.
#pragma once

#include "tests/support/compare.h"
#include "tests/support/torch_error.h"

namespace luna::test {

struct Refusal {
  const char* name;
  std::string message;
  std::function<void(ops::Inputs&, ops::Spec&)> change;
  const char* feature_map = "luna";
};

inline void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.name; }

/// Of a small case through the fused operator.
inline void expect_fused_refusal(const Refusal& refusal) {
  Case c = small_case(refusal.feature_map);
  ops::Inputs in = make_inputs(c);
  refusal.change(in, c.spec);
  EXPECT_EQ(torch_error_of([&] { run_forward(in, c.spec, Through::fused); }), refusal.message);
}

using In = ops::Inputs&;
using Options = ops::Spec&;

inline std::string refusal_name(const ::testing::TestParamInfo<Refusal>& info) {
  return info.param.name;
}

}  // namespace luna::test
