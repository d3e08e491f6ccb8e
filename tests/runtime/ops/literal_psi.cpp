#include "tests/runtime/ops/literal_psi.h"

#include <algorithm>
#include <cmath>

namespace luna::test {
namespace {

using Row = std::vector<double>;

const double* values(const at::Tensor& x) { return x.const_data_ptr<double>(); }

Row deep(double t, const std::vector<at::Tensor>& params) {
  Row h{t};
  for (size_t i = 2; i < params.size(); i += 2) {
    const double *w = values(params[i]), *b = values(params[i + 1]);
    Row next;
    for (int64_t j = 0; j < params[i].size(0); ++j) {
      double sum = b[j];
      for (size_t k = 0; k < h.size(); ++k) sum += *w++ * h[k];
      const bool last = i + 2 == params.size();
      next.push_back(last || sum > 0 ? sum : 0.0);
    }
    h = next;
  }
  return h;
}

Row spline(double t, const at::Tensor& knots, const at::Tensor& at_knots) {
  const double* x = values(knots);
  const int64_t K = knots.size(0);
  int64_t k = 0;
  while (k + 2 < K && t >= x[k + 1]) ++k;
  Row out;
  for (int64_t l = 0; l < at_knots.size(0); ++l) {
    const double *v = values(at_knots) + l * K + k, share = (t - x[k]) / (x[k + 1] - x[k]);
    out.push_back(v[0] + share * (v[1] - v[0]));
  }
  return out;
}

}  // namespace

Row literal_psi(const std::string& map, double t, const std::vector<at::Tensor>& params) {
  return map == "luna-deep" ? deep(t, params) : spline(t, params[2], params[3]);
}

Row psi_features(const std::string& map, const Row& x, const std::vector<at::Tensor>& params) {
  const double *w = values(params[0]), *b = values(params[1]);
  const int64_t m = params[0].size(0);
  Row phi;
  for (int64_t i = 0; i < m; ++i) {
    double t = b[i];
    for (const double e : x) t += *w++ * e;
    for (const double y : literal_psi(map, t, params)) {
      phi.push_back(std::max(y, 0.0) / std::sqrt(static_cast<double>(m)));
    }
  }
  return phi;
}

}  // namespace luna::test
