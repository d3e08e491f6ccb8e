// The attention operators that `luna bench` times side by side: this library's fused ones and what
// a user of torch would write instead.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <string>
#include <vector>

namespace luna::bench {

/// Sizes of one measurement; Nq = N, dv = d.
struct Size {
  std::string name;
  int64_t B, H, N, d, m, L, hid;
  int64_t group = 1;  ///< query heads of a key head; the model of work.h is of 1
  int64_t key_heads() const { return H / group; }
};

/// q [B, H, N, d], k, v [B, Hk, N, d] and the parameters of the operator's feature map; learned
/// ones require gradients, a fixed draw does not.
struct Inputs {
  at::Tensor q, k, v;
  std::vector<at::Tensor> params;
  bool causal = false;     ///< token t sees keys 0..t
  at::Tensor state, norm;  ///< decoding: [B, Hk, D, d], [B, Hk, D], updated in place; N is 1

  /// q, k, v and the learned parameters.
  std::vector<at::Tensor> leaves() const;
  /// Makes q, k, v leaves of autograd as learned parameters are.
  Inputs& want_gradients();
  /// Leaves of their own on a device, wanting gradients as these do; the state stays float32.
  Inputs on(c10::Device device, at::ScalarType dtype = at::kFloat) const;
  /// Copies in another dtype, leaves of their own, with or without gradients.
  Inputs copy(at::ScalarType dtype, bool gradients) const;
};

/// q, k, v on a device in one dtype, which operators share, and a gradient for their outputs.
struct Tokens {
  Inputs inputs;
  at::Tensor upstream;
};

/// kDecode: one token a sequence, whose state takes it in.
enum class Pass { kForward, kForwardBackward, kDecode };

/// How an operator computes, for the model of its work (work.h).
enum class OperatorKind {
  kFused,   ///< this library
  kEager,   ///< features in memory
  kFlash,   ///< softmax, scores in cache
  kScores,  ///< softmax, scores in memory
};

struct Operator {
  std::string name;  ///< key in bench.json
  std::string map;   ///< feature map: luna, a fixed map, softmax
  OperatorKind kind;
  std::string label;  ///< in the report
  /// Draws the parameters of the feature map, Inputs::params; empty list where it has none.
  std::function<std::vector<at::Tensor>(const Size&, at::Generator)> draw_params;
  std::function<at::Tensor(const Inputs&)> apply;
  /// The same function by its formula, in any dtype.
  std::function<at::Tensor(const Inputs&)> reference;
  bool decodes = false;  ///< kDecode is its only pass, else it has the others
};

/// In the order of the report's table. "listing1" and "sdpa" are what ratios refer to.
const std::vector<Operator>& operators();

/// Every operator of the full benchmark: those above with each fixed map of the registry fused and
/// in plain ATen, and SDPA by each of its kernels (sdpa.h) on a device, the CPU or CUDA.
const std::vector<Operator>& all_operators(c10::DeviceType device = c10::kCPU);

/// A decoding step of LUNA and elu+1: fused, and in plain ATen.
const std::vector<Operator>& decode_operators();

/// q, k, v ~ N(0, 1), float32, no parameters. Seed by seed the numbers of peers.py.
Inputs draw_tokens(const Size& size, uint64_t seed);
/// N(0, 1) tokens, moved to where the map's denominator is far from zero.
at::Tensor usual_tokens(const std::string& map, const at::Tensor& x);
/// The same tokens with parameters of the operator and, where it decodes, a state that has seen
/// tokens, float32, from a seed of their own.
Inputs with_params(const Inputs& tokens, const Operator& op, const Size& size, uint64_t seed);
/// Both, the tokens usual ones of the operator's map.
Inputs draw_inputs(const Operator& op, const Size& size, uint64_t seed);

/// One call of one pass on leaves that want gradients: forward without recording them, or forward
/// and the gradients of q, k, v and every learned parameter for `upstream` [B, H, N, d], or a step.
std::function<void()> pass_task(const Operator& op, const Inputs& leaves,
                                const at::Tensor& upstream, Pass pass);

}  // namespace luna::bench
