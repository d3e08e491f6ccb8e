#include "experiments/train/evaluation.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

namespace luna::experiments {

using nlohmann::json;

namespace {

constexpr double kPsiRange = 4;  // samples of psi at t in [-4, 4]
constexpr int64_t kPsiSamples = 81;

}  // namespace

json finite(double x) { return std::isfinite(x) ? json(x) : json(); }

at::Tensor loss_of(const at::Tensor& logits, const at::Tensor& labels) {
  return at::cross_entropy_loss(logits.reshape({-1, logits.size(-1)}), labels.reshape(-1), {},
                                at::Reduction::Mean, kNoLabel);
}

json psi_samples(nn::Encoder& encoder) {
  const at::Tensor t = at::linspace(-kPsiRange, kPsiRange, kPsiSamples);
  const auto nested = [](const at::Tensor& rows) {
    json lines = json::array();
    for (const at::Tensor& row : rows.unbind(0)) {
      lines.push_back(std::vector<float>(row.const_data_ptr<float>(),
                                         row.const_data_ptr<float>() + row.numel()));
    }
    return lines;
  };
  json layers = json::array();
  for (const at::Tensor& samples : encoder.psi(t)) layers.push_back(nested(samples.contiguous()));
  if (layers.empty()) return {};
  return {
      {"t", std::vector<float>(t.const_data_ptr<float>(), t.const_data_ptr<float>() + t.numel())},
      {"layers", layers}};
}

json Evaluation::line(int64_t step, const char* split) const {
  json row = {{"step", step}, {"split", split}, {"loss", finite(loss)}, {"accuracy", accuracy}};
  if (!health.layers.empty()) {
    row["min_denominator"] = finite(health.min_denominator());
    row["dead_features"] = health.dead_features();
  }
  return row;
}

Evaluation evaluate(nn::Encoder& encoder, const Task& task, Split split, int64_t examples,
                    int64_t batch_size) {
  const at::NoGradGuard no_grad;
  encoder.eval();
  Evaluation total{0, 0, {}};
  int64_t asked = 0;
  examples = std::min(examples, task.examples(split));
  for (int64_t begin = 0; begin < examples; begin += batch_size) {
    const Batch batch = task.held_out(split, begin, std::min(batch_size, examples - begin));
    const at::Tensor logits = encoder.forward(batch.ids, &total.health);
    const at::Tensor counted = batch.labels != kNoLabel;
    const int64_t labels = counted.sum().item<int64_t>();
    const at::Tensor right = (logits.argmax(-1) == batch.labels).logical_and(counted).sum();
    total.loss += loss_of(logits, batch.labels).item<double>() * static_cast<double>(labels);
    total.accuracy += right.item<double>();
    asked += labels;
  }
  total.loss /= static_cast<double>(asked);
  total.accuracy /= static_cast<double>(asked);
  encoder.train();
  return total;
}

}  // namespace luna::experiments
