#include "runtime/psi/spline.h"

#include <cmath>

namespace luna::psi {

void check_knots(const char* op, const at::Tensor& given) {
  const std::vector<double> knots = to_host(given);
  for (size_t k = 0; k < knots.size(); ++k) {
    TORCH_CHECK_VALUE(std::isfinite(knots[k]), op, ": luna-spline's knots must be finite, got ",
                      knots[k], ".");
    TORCH_CHECK_VALUE(k == 0 || knots[k] > knots[k - 1], op,
                      ": luna-spline's knots must rise strictly, got ", knots[k], " behind ",
                      knots[k - 1], ".");
    const bool sloped = k == 0 || std::isfinite(static_cast<float>(1 / (knots[k] - knots[k - 1])));
    TORCH_CHECK_VALUE(sloped, op, ": luna-spline's knots must be as far apart as float32's slopes ",
                      "need, 3e-39, got ", knots[k], " behind ", knots[k - 1], ".");
  }
}

Spline::Spline(const char* op, const at::Tensor& knots, const at::Tensor& values) {
  if (knots.is_cpu()) check_knots(op, knots);
  const int64_t K = knots.size(0);
  const at::Tensor at = knots.to(at::kDouble).unsqueeze(1), value = values.to(at::kDouble).t();
  begin_ = at.narrow(0, 0, K - 1);
  end_ = at.narrow(0, 1, K - 1);
  table_.knots = knots.narrow(0, 1, K - 2).contiguous();
  const at::Tensor slope = value.diff(1, 0) / (end_ - begin_);
  const at::Tensor taken = (at.diff(1, 0) > 0).all().logical_and(at.isfinite().all());
  const at::Tensor spoilt = value.sum(0).mul_(0.0).masked_fill_(taken.logical_not(), NAN);
  table_.lines = at::stack({slope, value.narrow(0, 0, K - 1) - slope * begin_ + spoilt}, 1);
}

std::vector<at::Tensor> Spline::unfold(const at::Tensor& lines) const {
  const at::Tensor slope = lines.select(1, 0), intercept = lines.select(1, 1);
  const at::Tensor width = end_ - begin_;
  const at::Tensor left = (end_ * intercept - slope) / width;
  const at::Tensor right = (slope - begin_ * intercept) / width;
  const at::Tensor values =
      at::constant_pad_nd(left, {0, 0, 0, 1}) + at::constant_pad_nd(right, {0, 0, 1, 0});
  return {at::Tensor(), values.t()};
}

}  // namespace luna::psi
