#include "runtime/psi/network.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace luna::psi {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// y += a x. Half of all units are off, and few segments of a short sequence have a gradient.
void add_multiple(double a, const double* x, int64_t n, double* y) {
  if (a == 0.0) return;
  for (int64_t i = 0; i < n; ++i) y[i] += a * x[i];
}

/// x [rows, n] times matrix [n, columns], added to out [rows, columns].
void add_product(const std::vector<double>& x, const double* matrix, int64_t n, int64_t columns,
                 std::vector<double>& out) {
  const auto rows = static_cast<int64_t>(x.size()) / n;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < n; ++i) {
      add_multiple(x[r * n + i], matrix + i * columns, columns, &out[r * columns]);
    }
  }
}

double sum_of(const std::vector<double>& x) { return std::accumulate(x.begin(), x.end(), 0.0); }

}  // namespace

Network::Network(const char* op, at::TensorList params) {
  std::vector<std::vector<double>> host = to_host(params);
  for (size_t i = 0; i < host.size(); i += 2) {
    layers_.push_back({params[i].size(0), std::move(host[i]), std::move(host[i + 1])});
  }
  for (const at::Tensor& param : params) shapes_.push_back(param.sizes().vec());
  Lines lines{1, {1.0}, {0.0}};
  for (size_t i = 0; i + 1 < layers_.size(); ++i) {
    Layer& layer = layers_[i];
    layer.in = std::move(lines);
    lines = apply(layer);
    split(layer, lines);
    TORCH_CHECK_VALUE(knots_.size() <= static_cast<size_t>(kernels::kMaxKnots), op,
                      ": luna-deep's psi may have at most ", kernels::kMaxKnots, " knots, got ",
                      knots_.size(), " behind W_", i + 1, "; use fewer or narrower hidden layers.");
    lines = rectify(layer, lines);
  }
  layers_.back().in = std::move(lines);
  make_table(apply(layers_.back()));
}

Network::Lines Network::apply(const Layer& layer) {
  const int64_t in = layer.in.width, segments = layer.in.segments();
  std::vector<double> transposed(in * layer.out);
  for (int64_t j = 0; j < layer.out; ++j) {
    for (int64_t i = 0; i < in; ++i) transposed[i * layer.out + j] = layer.weight[j * in + i];
  }
  Lines out{layer.out, std::vector<double>(segments * layer.out), {}};
  for (int64_t s = 0; s < segments; ++s) {
    out.intercept.insert(out.intercept.end(), layer.bias.begin(), layer.bias.end());
  }
  add_product(layer.in.slope, transposed.data(), in, layer.out, out.slope);
  add_product(layer.in.intercept, transposed.data(), in, layer.out, out.intercept);
  return out;
}

void Network::split(Layer& layer, const Lines& lines) {
  std::vector<float> knots, crossings(layer.out), cuts;
  for (int64_t s = 0; s < lines.segments(); ++s) {
    const double* slope = &lines.slope[s * layer.out];
    const double* intercept = &lines.intercept[s * layer.out];
    const float begin = s > 0 ? knots_[s - 1] : -kInfinity;
    const float end = s + 1 < lines.segments() ? knots_[s] : kInfinity;
    cuts.clear();
    for (int64_t j = 0; j < layer.out; ++j) {
      crossings[j] = round_up(-intercept[j] / slope[j]);
      if (crossings[j] > begin && crossings[j] < end) cuts.push_back(crossings[j]);
    }
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    for (size_t part = 0; part <= cuts.size(); ++part) {
      const float left = part > 0 ? cuts[part - 1] : begin;
      layer.parent.push_back(s);
      for (int64_t j = 0; j < layer.out; ++j) {
        const bool right_of_it = crossings[j] <= left;
        layer.active.push_back(slope[j] == 0.0 ? intercept[j] > 0.0
                                               : (right_of_it ? slope[j] > 0.0 : slope[j] < 0.0));
      }
    }
    knots.insert(knots.end(), cuts.begin(), cuts.end());
    if (s + 1 < lines.segments()) knots.push_back(end);
  }
  knots_ = std::move(knots);
}

Network::Lines Network::rectify(const Layer& layer, const Lines& lines) {
  Lines out{layer.out, {}, {}};
  for (size_t k = 0; k < layer.active.size(); ++k) {
    const size_t at = layer.parent[k / layer.out] * layer.out + k % layer.out;
    out.slope.push_back(layer.active[k] ? lines.slope[at] : 0.0);
    out.intercept.push_back(layer.active[k] ? lines.intercept[at] : 0.0);
  }
  return out;
}

Network::Lines Network::rectify_back(const Layer& layer, const Lines& grad) {
  const size_t size = layer.in.segments() * layer.out;
  Lines out{layer.out, std::vector<double>(size), std::vector<double>(size)};
  for (size_t k = 0; k < layer.active.size(); ++k) {
    if (!layer.active[k]) continue;
    const size_t at = layer.parent[k / layer.out] * layer.out + k % layer.out;
    out.slope[at] += grad.slope[k];
    out.intercept[at] += grad.intercept[k];
  }
  return out;
}

void Network::make_table(const Lines& lines) {
  const int64_t L = layers_.back().out;
  const auto rows = [L](const std::vector<double>& x) { return at::tensor(x).view({-1, L}); };
  table_.knots = at::tensor(knots_);
  table_.lines = at::stack({rows(lines.slope), rows(lines.intercept)}, 1);
  // As Pwl's: 0 x is NaN for a parameter that is not finite. A hidden unit of bias -inf is off for
  // every t, and spoils nothing.
  double hidden = 0.0;
  for (size_t i = 0; i + 1 < layers_.size(); ++i) {
    hidden += sum_of(layers_[i].weight);
    for (const double b : layers_[i].bias) hidden += b == -kInfinity ? 0.0 : b;
  }
  const Layer& last = layers_.back();
  std::vector<double> spoilt;
  for (int64_t l = 0; l < L; ++l) {
    const double* row = &last.weight[l * last.in.width];
    const double own = std::accumulate(row, row + last.in.width, last.bias[l]);
    spoilt.push_back(0.0 * (hidden + own));
  }
  table_.lines.select(1, 1).add_(at::tensor(spoilt));
}

Network::Lines Network::apply_back(const Layer& layer, const Lines& grad) {
  const size_t size = layer.in.slope.size();
  Lines out{layer.in.width, std::vector<double>(size), std::vector<double>(size)};
  add_product(grad.slope, layer.weight.data(), layer.out, out.width, out.slope);
  add_product(grad.intercept, layer.weight.data(), layer.out, out.width, out.intercept);
  return out;
}

std::vector<at::Tensor> Network::unfold(const at::Tensor& lines) const {
  const auto part = [&](int64_t k) { return to_host(lines.select(1, k)); };
  std::vector<at::Tensor> all(2 * layers_.size());
  Lines grad{layers_.back().out, part(0), part(1)};
  for (size_t i = layers_.size(); i-- > 0;) {
    const Layer& layer = layers_[i];
    const int64_t in = layer.in.width;
    std::vector<double> weight(layer.weight.size()), bias(layer.bias.size());
    for (size_t k = 0; k < grad.slope.size(); ++k) {
      const size_t s = k / layer.out, j = k % layer.out;
      add_multiple(grad.slope[k], &layer.in.slope[s * in], in, &weight[j * in]);
      add_multiple(grad.intercept[k], &layer.in.intercept[s * in], in, &weight[j * in]);
      bias[j] += grad.intercept[k];
    }
    all[2 * i] = at::tensor(weight).view(shapes_[2 * i]);
    all[2 * i + 1] = at::tensor(bias);
    if (i > 0) grad = rectify_back(layers_[i - 1], apply_back(layer, grad));
  }
  return all;
}

}  // namespace luna::psi
