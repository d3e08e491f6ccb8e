#include "experiments/train/cell.h"

#include "experiments/config/options.h"
#include "runtime/nn/attention.h"

namespace luna::experiments {
namespace {

using nlohmann::json;

constexpr int64_t kMany = int64_t{1} << 40;

/// redraw only where it is on, so that folders of models without it keep their configuration.
json to_json(const ModelConfig& m) {
  json object = {{"attention", m.attention},
                 {"layers", m.layers},
                 {"width", m.width},
                 {"heads", m.heads},
                 {"ffn", m.ffn},
                 {"dropout", m.dropout},
                 {"m", m.m},
                 {"L", m.L},
                 {"hid", m.hid},
                 {"features", m.features}};
  if (m.redraw > 0) object["redraw"] = m.redraw;
  return object;
}

json to_json(const TrainConfig& t) {
  return {{"steps", t.steps},
          {"batch", t.batch},
          {"lr", t.lr},
          {"schedule", t.schedule},
          {"warmup", t.warmup},
          {"beta1", t.beta1},
          {"beta2", t.beta2},
          {"adam_eps", t.adam_eps},
          {"weight_decay", t.weight_decay},
          {"clip", t.clip},
          {"clip_at", t.clip_at},
          {"log_every", t.log_every},
          {"eval_every", t.eval_every},
          {"eval_examples", t.eval_examples},
          {"final_examples", t.final_examples},
          {"checkpoint_seconds", t.checkpoint_seconds},
          {"divergence", t.divergence}};
}

std::vector<std::string> attention_names() {
  std::vector<std::string> names;
  for (const auto& entry : nn::attention_registry()) names.push_back(entry.name);
  return names;
}

ModelConfig model_from(const json& object) {
  OptionReader reader(object, "model");
  ModelConfig m;
  m.attention = reader.text("attention", m.attention);
  if (!nn::find_attention(m.attention)) {
    throw UsageError(unknown_name("attention", m.attention, attention_names()));
  }
  m.layers = reader.integer("layers", m.layers, 1, 1000);
  m.width = reader.integer("width", m.width, 1, 1 << 20);
  m.heads = reader.integer("heads", m.heads, 1, 1 << 20);
  m.ffn = reader.integer("ffn", m.ffn, 1, 1 << 20);
  m.dropout = reader.real("dropout", m.dropout, 0, 0.999);
  m.m = reader.integer("m", m.m, 1, 1 << 16);
  m.L = reader.integer("L", m.L, 1, 1 << 16);
  m.hid = reader.integer("hid", m.hid, 1, 1 << 16);
  m.features = reader.integer("features", m.features, 1, 1 << 20);
  m.redraw = reader.integer("redraw", m.redraw, 0, kMany);
  reader.finish();
  if (m.width % m.heads != 0) {
    throw UsageError("model.heads is " + std::to_string(m.heads) +
                     "; it must divide model.width, " + std::to_string(m.width));
  }
  return m;
}

TrainConfig train_from(const json& object) {
  OptionReader reader(object, "train");
  TrainConfig t;
  t.steps = reader.integer("steps", t.steps, 1, kMany);
  t.batch = reader.integer("batch", t.batch, 1, 1 << 20);
  t.lr = reader.real("lr", t.lr, 0, 1e3);
  t.schedule = reader.choice("schedule", t.schedule, {"cosine", "floored_cosine", "one_cycle"});
  t.warmup = reader.integer("warmup", t.warmup, 0, kMany);
  t.beta1 = reader.real("beta1", t.beta1, 0, 0.999999);
  t.beta2 = reader.real("beta2", t.beta2, 0, 0.999999);
  t.adam_eps = reader.real("adam_eps", t.adam_eps, 0, 1);
  t.weight_decay = reader.real("weight_decay", t.weight_decay, 0, 1e3);
  t.clip = reader.choice("clip", t.clip, {"norm", "value", "none"});
  t.clip_at = reader.real("clip_at", t.clip_at, 0, 1e9);
  t.log_every = reader.integer("log_every", t.log_every, 1, kMany);
  t.eval_every = reader.integer("eval_every", t.eval_every, 1, kMany);
  t.eval_examples = reader.integer("eval_examples", t.eval_examples, 1, kMany);
  t.final_examples = reader.integer("final_examples", t.final_examples, 1, kMany);
  t.checkpoint_seconds = reader.integer("checkpoint_seconds", t.checkpoint_seconds, 0, kMany);
  t.divergence = reader.real("divergence", t.divergence, 0, 1e30);
  reader.finish();
  return t;
}

}  // namespace

json to_json(const CellConfig& config) {
  return {{"experiment", config.experiment},
          {"cell", config.cell},
          {"seed", config.seed},
          {"task", config.task},
          {"model", to_json(config.model)},
          {"train", to_json(config.train)}};
}

CellConfig cell_from_json(const json& object) {
  OptionReader reader(object, "cell");
  CellConfig config;
  config.experiment = reader.text("experiment", "");
  config.cell = reader.text("cell", "");
  config.seed = reader.integer("seed", 0, 0, kMany);
  config.task = reader.table("task");
  config.model = model_from(reader.table("model"));
  config.train = train_from(reader.table("train"));
  reader.finish();
  return config;
}

}  // namespace luna::experiments
