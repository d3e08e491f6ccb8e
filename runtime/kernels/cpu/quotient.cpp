#include "runtime/kernels/cpu/quotient.h"

#include "runtime/kernels/cpu/state.h"

namespace luna::kernels {

QuotientColumns::QuotientColumns(const at::Tensor& grad, const at::Tensor& o, const at::Tensor& den,
                                 const Denominator& rule, int64_t tokens)
    : grad_(grad),
      o_(o),
      den_(den),
      rule_(rule),
      columns_(augmented_columns(grad.size(3)), tokens),
      outputs_(grad.size(3), tokens),
      factor_(padded_tokens(tokens)),
      s_(padded_tokens(tokens)) {}

const Tile& QuotientColumns::compute(int64_t b, int64_t h, int64_t n, int64_t tokens,
                                     const float* weight, bool weight_is_one) {
  const std::array<int64_t, 4> asked{b, h, n, tokens};
  if (asked == computed_) return columns_;
  computed_ = asked;
  const int64_t padded = padded_tokens(tokens);
  const float* den = den_.at(b, h, n);
  for (int64_t k = 0; k < padded; k++) {
    factor_[k] = k < tokens ? 1.0f / denominator_rule(den[k * den_.row], rule_) : 0.0f;
  }
  grad_.load(b, h, n, tokens, weight, 0.0f, columns_, factor_.data());
  const Matrix o = o_.rows(b, h, n, tokens, weight, weight_is_one, 0.0f, outputs_);
  // s from the very columns that S is multiplied with: where S w and s z cancel (one key, constant
  // features), their rounding errors then cancel too.
  dot(o, columns_.matrix(padded).first0(o.extent0), s_.data());
  const int64_t dv = grad_.width();
  for (int64_t k = 0; k < tokens; k++) {
    const bool clamped = den[k * den_.row] + rule_.add < rule_.clamp;
    columns_.row(k)[dv] = clamped ? 0.0f : -s_[k];
  }
  return columns_;
}

}  // namespace luna::kernels
