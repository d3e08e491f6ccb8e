#include "tests/runtime/ops/literal.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/runtime/ops/literal_psi.h"

namespace luna::test {
namespace {

constexpr double kPi = 3.14159265358979323846;

double dot(const Row& a, const Row& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

Row row(const at::Tensor& x) {  // [n]
  const at::Tensor values = x.contiguous();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

Row scaled(const Row& x, double by) {
  Row out;
  for (const double e : x) out.push_back(e * by);
  return out;
}

Row tempered(const Row& x) { return scaled(x, std::pow(static_cast<double>(x.size()), -0.25)); }

Row minus(const Row& a, const Row& b) {
  Row out;
  for (size_t i = 0; i < a.size(); ++i) out.push_back(a[i] - b[i]);
  return out;
}

double positive(double x) { return std::max(x, 0.0); }

Row softmax(const Row& y) {
  double sum = 0;
  Row out;
  for (const double e : y) sum += std::exp(e);
  for (const double e : y) out.push_back(std::exp(e) / sum);
  return out;
}

/// [x, -x] cut at 0.
Row both_signs(const Row& x) {
  Row out;
  for (const double sign : {1.0, -1.0}) {
    for (const double e : x) out.push_back(positive(sign * e));
  }
  return out;
}

}  // namespace

Literal::Params Literal::params(const ops::Inputs& in, int64_t key_head) const {
  Params out;
  const auto of_head = [&](const at::Tensor& p, int64_t rank) {
    return p.dim() > rank ? p[key_head] : p;
  };
  if (in.params.empty()) return out;
  if (map_.rfind("luna-", 0) == 0) {
    for (const at::Tensor& p : in.params) out.all.push_back(p.contiguous());
    return out;
  }
  if (map_ == "polaformer") {
    out.b = row(in.params[0]);
    return out;
  }
  const at::Tensor w = of_head(in.params[0], 2);
  for (int64_t i = 0; i < w.size(0); ++i) out.w.push_back(row(w[i]));
  if (in.params.size() > 1) out.b = row(of_head(in.params[1], 1));
  return out;
}

double Literal::stabiliser(const Row& x, const Params& p) const {
  const Row xs = tempered(x);
  if (map_ == "rff" && option_ == "norm") return dot(xs, xs) / 2;
  if (map_ != "performer") return 0;
  double largest = -INFINITY;
  for (const Row& w : p.w) {
    largest = std::max(largest, option_ == "hyperbolic" ? std::abs(dot(w, xs)) : dot(w, xs));
  }
  return largest;
}

double Literal::random_features(const Pair& pair, const Params& p) const {
  const Row q = tempered(pair.q), k = tempered(pair.k);
  const auto m = static_cast<double>(p.w.size());
  const double lq = dot(q, q) / 2, lk = dot(k, k) / 2;
  double sum = 0;
  for (const Row& w : p.w) {
    if (map_ == "rff") {
      sum += std::cos(dot(w, minus(q, k))) / m;
      continue;
    }
    const auto feature = [&](const Row& x, double sign, double l, double M) {
      return std::exp(sign * dot(w, x) - l - M) + 1e-4;
    };
    const double plus = feature(q, 1, lq, pair.mq) * feature(k, 1, lk, pair.mk);
    const double minus = feature(q, -1, lq, pair.mq) * feature(k, -1, lk, pair.mk);
    sum += option_ == "hyperbolic" ? (plus + minus) / (2 * m) : plus / m;
  }
  return option_ == "norm" ? sum * std::exp(lq - pair.mq) * std::exp(lk - pair.mk) : sum;
}

double Literal::affine(const Pair& pair, const Params& p) const {
  Row yq, yk;
  for (size_t i = 0; i < p.w.size(); ++i) {
    yq.push_back(dot(p.w[i], pair.q) + p.b[i]);
    yk.push_back(dot(p.w[i], pair.k) + p.b[i]);
  }
  double sum = 0;
  for (size_t i = 0; i < yq.size(); ++i) {
    if (map_ == "t2r") sum += positive(yq[i]) * positive(yk[i]);
    if (option_ == "exp") sum += 2 * std::cosh(yq[i] + yk[i]);
  }
  if (map_ == "t2r" || option_ == "exp") return sum;
  return dot(softmax(yq), softmax(yk)) + dot(softmax(scaled(yq, -1)), softmax(scaled(yk, -1)));
}

double Literal::products(const Pair& pair) const {
  if (map_ == "taylor2") {
    const double s = dot(pair.q, pair.k) / std::sqrt(static_cast<double>(pair.q.size()));
    return 1 + s + s * s / 2;
  }
  const Row rq = both_signs(pair.q), rk = both_signs(pair.k);
  const size_t nu = option_.empty() ? 1 : std::stoul(option_);
  double sum = 0;
  for (size_t shift = 1; shift <= nu; ++shift) {
    for (size_t i = 0; i < rq.size(); ++i) {
      const size_t other = (i + shift) % rq.size();
      sum += rq[i] * rq[other] * rk[i] * rk[other];
    }
  }
  return sum;
}

double Literal::weight(const Pair& pair, const Params& p) const {
  if (map_ == "performer" || map_ == "rff") return random_features(pair, p);
  if (map_ == "t2r" || map_ == "hedgehog") return affine(pair, p);
  if (map_ == "taylor2" || map_ == "dpfp") return products(pair);
  if (map_.rfind("luna-", 0) == 0) {
    return dot(psi_features(map_, pair.q, p.all), psi_features(map_, pair.k, p.all));
  }
  if (map_ == "rfa") {
    const Row uq = scaled(pair.q, 1 / std::sqrt(dot(pair.q, pair.q)));
    const Row uk = scaled(pair.k, 1 / std::sqrt(dot(pair.k, pair.k)));
    double sum = 0;
    for (const Row& w : p.w) {
      double angle = 0;
      for (size_t c = 0; c < w.size(); ++c) angle += p.b[c] * w[c] * (uq[c] - uk[c]);
      sum += std::cos(angle);
    }
    return sum / static_cast<double>(p.w.size());
  }
  double sum = 0;
  for (size_t c = 0; c < pair.q.size(); ++c) {
    const double q = pair.q[c], k = pair.k[c];
    const auto elu = [](double x) { return x > 0 ? x + 1 : std::exp(x); };
    if (map_ == "elu") sum += elu(q) * elu(k);
    if (map_ == "relu" || map_ == "cosformer") sum += positive(q) * positive(k);
    if (map_ == "relu2") sum += std::pow(positive(q) * positive(k), 2);
    if (map_ == "identity") sum += q * k;
    if (map_ == "polaformer" && (q * k < 0) == pair.opposite) {
      sum += std::pow(std::abs(q * k), 1 + 4 / (1 + std::exp(-p.b[c])));
    }
  }
  if (map_ != "cosformer") return sum;
  const double length = option_.empty() ? static_cast<double>(length_) : std::stod(option_);
  return sum * std::cos(kPi / 2 * static_cast<double>(pair.i - pair.j) / length);
}

Literal::Literal(const ops::Inputs& in, const ops::Spec& spec)
    : spec_(spec),
      map_(spec.feature_map.substr(0, spec.feature_map.find(':'))),
      length_(std::max(in.q.size(2), in.k.size(2))) {
  if (map_ != spec.feature_map) option_ = spec.feature_map.substr(map_.size() + 1);
  const int64_t group = in.q.size(1) / in.k.size(1);
  for (int64_t b = 0; b < in.q.size(0); ++b) {
    for (int64_t h = 0; h < in.q.size(1); ++h) {
      for (int64_t i = 0; i < in.q.size(2); ++i) {
        mq_.push_back(stabiliser(row(in.q[b][h][i]), params(in, h / group)));
      }
    }
    for (int64_t hk = 0; hk < in.k.size(1); ++hk) {
      double largest = -INFINITY;
      for (int64_t j = 0; j < in.k.size(2); ++j) {
        if (in.key_mask && !(*in.key_mask)[b][j].item<bool>()) continue;
        largest = std::max(largest, stabiliser(row(in.k[b][hk][j]), params(in, hk)));
      }
      mk_.push_back(spec.causal || largest == -INFINITY ? 0 : largest);
    }
  }
}

void Literal::attend(const ops::Inputs& in, int64_t b, int64_t h, int64_t i, at::Tensor out) const {
  const int64_t H = in.q.size(1), Hk = in.k.size(1), Nq = in.q.size(2), N = in.k.size(2);
  const int64_t hk = h / (H / Hk), dv = in.v.size(3);
  const Params p = params(in, hk);
  const Row q = row(in.q[b][h][i]);
  const int64_t halves = map_ == "polaformer" ? 2 : 1;
  for (int64_t half = 0; half < halves; ++half) {
    at::Tensor columns = out.narrow(0, half * dv / 2, dv / halves);
    double sum = 0;
    for (int64_t j = 0; j < (spec_.causal ? std::min(i + 1, N) : N); ++j) {
      if (in.key_mask && !(*in.key_mask)[b][j].item<bool>()) continue;
      const double mq = mq_[static_cast<size_t>((b * H + h) * Nq + i)];
      const double mk = mk_[static_cast<size_t>(b * Hk + hk)];
      const double w = weight({q, row(in.k[b][hk][j]), i, j, mq, mk, half == 1}, p);
      sum += w;
      columns += w * in.v[b][hk][j].narrow(0, half * dv / 2, dv / halves);
    }
    columns /= spec_.denominator == "add_eps" ? sum + spec_.eps : std::max(sum, spec_.eps);
  }
}

at::Tensor Literal::attention(const ops::Inputs& in) const {
  const int64_t B = in.q.size(0), H = in.q.size(1), Nq = in.q.size(2);
  at::Tensor out = at::zeros({B, H, Nq, in.v.size(3)}, at::kDouble);
  for (int64_t b = 0; b < B; ++b) {
    for (int64_t h = 0; h < H; ++h) {
      for (int64_t i = 0; i < Nq; ++i) attend(in, b, h, i, out[b][h][i]);
    }
  }
  return out;
}

}  // namespace luna::test
