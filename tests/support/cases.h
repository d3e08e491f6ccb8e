// One configuration of an attention operator, for tests that run over many: shape, options, layout,
// mask.
#pragma once

#include <string>
#include <vector>

#include "runtime/ops/spec.h"

namespace luna::test {

struct Shape {
  int64_t B, H, Hk, Nq, N, d, dv, m, L, hid;
};

/// How q, k and v lie in memory.
enum class Layout { contiguous, tokens_first, sliced, expanded, last_stride };
enum class MaskKind { none, random, keep_all, drop_one_batch };

struct Case {
  Shape shape{};
  ops::Spec spec;
  bool separate = false;  ///< L separate scalar MLPs instead of a shared one
  bool per_head = false;  ///< of a fixed map: params of each key head's own, where it takes them
  Layout layout = Layout::contiguous;
  MaskKind mask = MaskKind::none;
  std::vector<int64_t> begins = {};  ///< packed: where sequences begin, and N
  bool expanded_grad = false;        ///< grad_output is one number, expanded
  uint64_t seed = 0;
};

/// All of it in one line, for failure messages.
std::string describe(const Case& c);
void PrintTo(const Case& c, std::ostream* out);

/// The fixed maps, with every option, that the fused operators have kernels for.
std::vector<std::string> fused_map_names();
/// Those of them that can be causal: not the ones whose features depend on the number of tokens.
std::vector<std::string> causal_map_names();

/// count cases drawn from shapes.h's values with every option appearing many times; the same for
/// the same seed.
std::vector<Case> random_luna_cases(int count, uint64_t seed,
                                    const std::vector<std::string>& activations = {
                                        "relu", "relu", "relu", "gelu", "silu"});
std::vector<Case> random_fixed_cases(int count, uint64_t seed,
                                     const std::vector<std::string>& maps = fused_map_names());

/// A small case with every default; tests change what they need.
Case small_case(const std::string& feature_map = "luna");
/// The same with few segments and more tokens, which the CPU takes in segment form on both sides.
Case segment_case();

}  // namespace luna::test
