// A second writing of the fixed maps' attentions: what one query gives one key, as its paper's
// kernel reads, in loops over plain doubles. Shares nothing with the reference.
#pragma once

#include "runtime/ops/spec.h"

namespace luna::test {

using Row = std::vector<double>;

class Literal {
 public:
  /// inputs float64, one sequence. Stabilisers are those of these inputs from here on.
  Literal(const ops::Inputs& inputs, const ops::Spec& spec);

  /// o_i = sum_j w(q_i, k_j) v_j / rule(sum_j w(q_i, k_j)); inputs of the same shapes.
  at::Tensor attention(const ops::Inputs& inputs) const;

 private:
  /// Parameters of one key head.
  struct Params {
    std::vector<Row> w;           ///< W's rows
    Row b;                        ///< the other parameter: b, sigma or power
    std::vector<at::Tensor> all;  ///< LUNA's other psis: as they are given
  };
  struct Pair {
    Row q, k;
    int64_t i, j;
    double mq, mk;  ///< stabilisers
    bool opposite;  ///< polaformer's second half of the columns
  };

  Params params(const ops::Inputs& in, int64_t key_head) const;
  double stabiliser(const Row& x, const Params& p) const;
  double weight(const Pair& pair, const Params& p) const;
  double random_features(const Pair& pair, const Params& p) const;
  double affine(const Pair& pair, const Params& p) const;
  double products(const Pair& pair) const;
  void attend(const ops::Inputs& in, int64_t b, int64_t h, int64_t i, at::Tensor out) const;

  ops::Spec spec_;
  std::string map_, option_;
  int64_t length_;               ///< max(Nq, N)
  std::vector<double> mq_, mk_;  ///< [B, H, Nq] and [B, Hk]
};

}  // namespace luna::test
