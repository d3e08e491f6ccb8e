// Whether a problem goes to tensor cores: siblings of the batched pipelines
// (generators/attention/tensor), which read x and v in the storage of q, k and v: 16 bits, or
// float32, whose products they keep 24 bits of. What they compute is what Halide's pipelines
// define; where one is missing those run, half precision on widened copies.
#pragma once

#include <optional>

#include "runtime/kernels/cuda/kernel_call.h"
#include "runtime/kernels/kernels.h"

namespace luna::kernels::cuda {

/// How the passes of a problem read q, k and v.
struct Storage {
  at::ScalarType dtype = at::kFloat;
  bool tensor_cores = false;  ///< which take float32 too

  /// What the names of pipelines end in: "", "_bf16", "_f16", "_f32".
  const char* suffix() const;
};

/// The first pipeline that is missing of those which passes with the map inlined are made of; "":
/// all are built. Looked up once a generation of pipelines.
std::string missing_pass(const Backend& backend, const std::string& map, int64_t size,
                         Storage storage, const About& call);

/// Tensor cores where siblings are built for the map and the dtype of q, k and v (heads of up to
/// 64; a pwl map whose table fits beside the rest in shared memory; a map of one coordinate in half
/// precision), else Halide's pipelines where they inline the map (by_halide), else nothing. Says
/// which of the two (say_once).
std::optional<Storage> storage_of(const Backend& backend, const Problem& problem, bool by_halide);

/// Whether the sums over a table's segments fit in registers; those that do not are Halide's.
bool tensor_core_sums_fit(const MapArgs& map);

/// Whether LUNA_VERBOSE in the environment is anything but empty or 0.
bool verbose();
/// On stderr, once for each text.
void print_once(const std::string& text);

/// The text that text() makes, once, where verbose; elsewhere nothing is made of it.
template <typename Text>
void say_once(const Text& text) {
  if (verbose()) print_once(text());
}

}  // namespace luna::kernels::cuda
