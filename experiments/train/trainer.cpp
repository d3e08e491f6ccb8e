#include "experiments/train/trainer.h"

#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "experiments/config/options.h"
#include "experiments/train/environment.h"
#include "experiments/train/lock.h"
#include "experiments/train/schedule.h"

namespace luna::experiments {
namespace {

using nlohmann::json;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

nn::EncoderConfig encoder_config(const ModelConfig& model, const TaskShape& shape) {
  nn::EncoderConfig config;
  config.vocabulary = shape.vocabulary;
  config.length = shape.length;
  config.classes = shape.classes;
  config.per_token = shape.per_token;
  config.layers = model.layers;
  config.width = model.width;
  config.heads = model.heads;
  config.ffn = model.ffn;
  config.dropout = model.dropout;
  config.attention = model.attention;
  config.map.m = model.m;
  config.map.L = model.L;
  config.map.hid = model.hid;
  config.map.features = model.features;
  config.map.redraw = model.redraw;
  return config;
}

std::unique_ptr<nn::Encoder> make_encoder(const CellConfig& config, const TaskShape& shape) {
  at::manual_seed(static_cast<uint64_t>(config.seed));
  return std::make_unique<nn::Encoder>(encoder_config(config.model, shape));
}

/// Writes nothing in a finished folder, which may lie where nobody can write.
bool was_done(const CellConfig& config, const CellFolder& folder) {
  if (!folder.done()) return false;
  folder.check(to_json(config));
  return true;
}

}  // namespace

Trainer::Trainer(const CellConfig& config, const Task& task, const CellFolder& folder)
    : config_(config),
      task_(task),
      folder_(folder),
      encoder_(make_encoder(config, task.shape())),
      optimizer_(*encoder_, config.train) {}

void Trainer::run(const std::function<void(const CellProgress&)>& progress) {
  started_ = saved_ = now();
  first_psi_ = psi_samples(*encoder_);
  resume();
  encoder_->train();
  double pace = 0;
  while (step_ < config_.train.steps) {
    const double begin = now();
    const StepResult result = train_step();
    log(result);
    watch(result);
    if (now() - saved_ >= static_cast<double>(config_.train.checkpoint_seconds)) save();
    pace = pace == 0 ? now() - begin : 0.95 * pace + 0.05 * (now() - begin);
    if (progress) progress({step_, config_.train.steps, result.loss, pace});
  }
  finish();
}

Trainer::StepResult Trainer::train_step() {
  const StepRates rates = rates_at(config_.train, step_);
  const Batch batch =
      task_.train_batch(config_.train.batch, static_cast<uint64_t>(config_.seed), step_);
  optimizer_.zero_grad();
  const at::Tensor loss = loss_of(encoder_->forward(batch.ids), batch.labels);
  loss.backward();
  const double norm = optimizer_.clip();
  optimizer_.step(step_++, rates.lr, rates.beta1);
  return {loss.item<double>(), norm, rates.lr};
}

void Trainer::watch(const StepResult& result) {
  if (std::isfinite(result.loss) && std::isfinite(result.grad_norm) &&
      result.loss <= config_.train.divergence) {
    return;
  }
  const std::string reason = fmt::format(
      "training diverged at step {}: loss {}, gradient norm {}; lower train.lr (now {})", step_,
      result.loss, result.grad_norm, config_.train.lr);
  folder_.write("FAILED", {{"reason", reason}, {"step", step_}});
  throw std::runtime_error(folder_.path().string() + ": " + reason);
}

void Trainer::log(const StepResult& result) {
  const TrainConfig& train = config_.train;
  if (step_ % train.log_every == 0 || step_ == train.steps) {
    metrics_->add({{"step", step_},
                   {"split", "train"},
                   {"loss", finite(result.loss)},
                   {"lr", result.lr},
                   {"grad_norm", finite(result.grad_norm)}});
  }
  if (step_ % train.eval_every == 0 && step_ < train.steps) {
    metrics_->add(evaluate(Split::validation, train.eval_examples).line(step_, "validation"));
  }
}

Evaluation Trainer::evaluate(Split split, int64_t examples) {
  return experiments::evaluate(*encoder_, task_, split, examples, config_.train.batch);
}

std::vector<at::Tensor> Trainer::state() const {
  std::vector<at::Tensor> tensors = optimizer_.state();
  for (const at::Tensor& buffer : encoder_->buffers()) tensors.push_back(buffer);
  return tensors;
}

double Trainer::seconds() const { return earlier_seconds_ + now() - started_; }

void Trainer::save() {
  Checkpoint checkpoint{state(),
                        {{"config", to_json(config_)},
                         {"step", step_},
                         {"seconds", seconds()},
                         {"metrics", metrics_->bytes()}}};
  checkpoint.tensors.push_back(at::detail::getDefaultCPUGenerator().get_state());
  metrics_->sync();
  save_checkpoint(folder_.checkpoint(), checkpoint);
  saved_ = now();
}

void Trainer::resume() {
  if (!std::filesystem::exists(folder_.checkpoint())) {
    metrics_ = std::make_unique<MetricsLog>(folder_.metrics(), 0);
    return;
  }
  const Checkpoint checkpoint = load_checkpoint(folder_.checkpoint());
  folder_.compare(to_json(config_), checkpoint.facts.value("config", json::object()));
  restore(folder_.checkpoint(), checkpoint, state());
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  generator.set_state(checkpoint.tensors.back());
  step_ = checkpoint.facts.at("step");
  earlier_seconds_ = checkpoint.facts.at("seconds");
  metrics_ = std::make_unique<MetricsLog>(folder_.metrics(), checkpoint.facts.at("metrics"));
}

void Trainer::finish() {
  save();
  const int64_t examples = config_.train.final_examples;
  const Evaluation validation = evaluate(Split::validation, examples);
  const Evaluation test = evaluate(Split::test, examples);
  metrics_->add(validation.line(step_, "validation"));
  metrics_->add(test.line(step_, "test"));
  json done = {{"test_accuracy", test.accuracy},
               {"validation_accuracy", validation.accuracy},
               {"steps", step_},
               {"seconds", seconds()},
               {"parameters", parameters()},
               {"majority_class", task_.majority_class()},
               {"test_examples", std::min(examples, task_.examples(Split::test))},
               {"data", task_.provenance()}};
  const json after = psi_samples(*encoder_);
  if (after.is_object()) {
    json layers = json::array();
    for (size_t i = 0; i < after["layers"].size(); ++i) {
      layers.push_back({{"init", first_psi_["layers"][i]}, {"final", after["layers"][i]}});
    }
    done["psi"] = {{"t", after["t"]}, {"layers", layers}};
  }
  metrics_->sync();
  folder_.write("DONE", done);
}

CellOutcome train_cell(const CellConfig& config, const std::filesystem::path& path,
                       const DataRoot& data,
                       const std::function<void(const CellProgress&)>& progress) {
  if (was_done(config, CellFolder(path))) return CellOutcome::was_done;
  json options = config.task;
  const std::string name = options.is_object() ? options.value("name", "") : "";
  options.erase("name");
  const auto task = find_task(name).make(options, data);
  return train_cell(config, path, *task, progress);
}

CellOutcome train_cell(const CellConfig& config, const std::filesystem::path& path,
                       const Task& task, const std::function<void(const CellProgress&)>& progress) {
  const CellFolder folder(path);
  if (was_done(config, folder)) return CellOutcome::was_done;
  const FolderLock lock(path);
  folder.claim(to_json(config));
  if (folder.done()) return CellOutcome::was_done;
  if (const auto reason = folder.failure()) {
    throw std::runtime_error(fmt::format("{} failed before: {}; delete the folder to try again",
                                         path.string(), *reason));
  }
  folder.write("env.json", capture_environment());
  Trainer(config, task, folder).run(progress);
  return CellOutcome::trained;
}

}  // namespace luna::experiments
