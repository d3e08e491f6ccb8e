#include "tests/experiments/train/copy_task.h"

#include <ATen/CPUGeneratorImpl.h>

namespace luna::experiments::test {
namespace {

Batch draw(int64_t size, uint64_t seed) {
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  const at::Tensor ids = at::randint(1, 9, {size, 8}, generator, at::kLong);
  return {ids, ids - 1};
}

}  // namespace

Batch CopyTask::train_batch(int64_t size, uint64_t seed, int64_t step) const {
  called();
  return draw(size, 1000 * seed + static_cast<uint64_t>(step));
}

Batch CopyTask::held_out(Split split, int64_t begin, int64_t count) const {
  called();
  const Batch all = draw(examples(split), split == Split::test ? 77 : 78);
  return {all.ids.narrow(0, begin, count), all.labels.narrow(0, begin, count)};
}

double CopyTask::majority_class() const {
  called();
  return 0.125;
}

nlohmann::json CopyTask::provenance() const {
  return {{"source", "generated"}, {"files", nlohmann::json::object()}, {"note", ""}};
}

CellConfig copy_cell(const std::string& attention) {
  CellConfig cell;
  cell.experiment = "copy";
  cell.cell = attention;
  cell.seed = 3;
  cell.task = {{"name", "copy"}};
  cell.model.attention = attention;
  cell.model.width = 16;
  cell.model.ffn = 16;
  cell.model.m = 4;
  cell.model.L = 4;
  cell.model.hid = 8;
  cell.model.features = 8;
  cell.train.steps = 12;
  cell.train.batch = 8;
  cell.train.lr = 1e-2;
  cell.train.warmup = 2;
  cell.train.log_every = 1;
  cell.train.eval_every = 5;
  cell.train.eval_examples = 16;
  cell.train.final_examples = 16;
  cell.train.checkpoint_seconds = 1000;
  return cell;
}

}  // namespace luna::experiments::test
