#include "runtime/ops/sequence_groups.h"

#include <map>

#include "runtime/halide/cuda_driver.h"
#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/packed.h"

namespace luna::ops {
namespace {

/// values on the device. A copy from host memory cannot be captured into a CUDA graph: there each
/// value is a launch of its own.
at::Tensor table(const std::vector<int64_t>& values, c10::Device device) {
  if (!device.is_cuda() || !halide::is_capturing(device)) {
    return at::tensor(values, at::kLong).to(device, at::kLong, /*non_blocking=*/true);
  }
  const at::Tensor out =
      at::empty({static_cast<int64_t>(values.size())}, at::TensorOptions(device).dtype(at::kLong));
  for (size_t i = 0; i < values.size(); ++i) out[static_cast<int64_t>(i)].fill_(values[i]);
  return out;
}

bool depends_on_length(const Spec& spec) {
  if (spec.learned()) return spec.ch_rms_target > 0;
  const NamedMap map = find_fixed_map(spec.feature_map);
  return map->positional && map.option == 0;
}

/// Smallest power of two that is not below n > 0.
int64_t size_class(int64_t n) {
  int64_t size = 1;
  while (size < n) size *= 2;
  return size;
}

}  // namespace

SequenceGroup::SequenceGroup(int64_t sequence, int64_t first, int64_t tokens)
    : sequences_{sequence}, first_(first), tokens_(tokens) {}

SequenceGroup::SequenceGroup(const std::vector<int64_t>& begins, std::vector<int64_t> sequences,
                             c10::Device device)
    : sequences_(std::move(sequences)) {
  // Rows: the sequence, where it begins, its tokens, and all tokens up to its end.
  std::vector<int64_t> values = sequences_;
  int64_t longest = 0, tokens = 0;
  for (const int64_t s : sequences_) values.push_back(begins[s]);
  for (const int64_t s : sequences_) values.push_back(begins[s + 1] - begins[s]);
  for (const int64_t s : sequences_) {
    longest = std::max(longest, begins[s + 1] - begins[s]);
    values.push_back(tokens += begins[s + 1] - begins[s]);
  }
  const at::Tensor columns =
      table(values, device).view({4, static_cast<int64_t>(sequences_.size()), 1});
  rows_ = columns[0].flatten();
  const at::Tensor first = columns[1], lengths = columns[2], ends = columns[3].flatten();
  const at::Tensor place = at::arange(longest, columns.options());
  const at::Tensor token = at::arange(tokens, columns.options());
  pads_ = place.ge(lengths);
  source_ = first.add(place.minimum(lengths.sub(1))).flatten();
  const at::Tensor s = at::bucketize(token, ends, /*out_int32=*/false, /*right=*/true);
  const at::Tensor behind = ends.sub(lengths.flatten());
  places_ = token.sub(behind.index_select(0, s)).add_(s, longest);
  real_ = source_.index_select(0, places_);
}

at::Tensor SequenceGroup::of(const at::Tensor& x, int64_t dim) const {
  if (alone()) return x.narrow(dim, first_, tokens_);
  return x.index_select(dim, source_)
      .unflatten(dim, pads_.sizes())
      .transpose(dim - 2, dim)
      .squeeze(dim);
}

at::Tensor SequenceGroup::gradients_of(const at::Tensor& grad) const {
  const at::Tensor own = of(grad, 2);
  return alone() ? own : own.masked_fill(pads_.unsqueeze(1).unsqueeze(-1), 0.0);
}

void SequenceGroup::put(const at::Tensor& x, const at::Tensor& row, int64_t dim) const {
  if (alone()) {
    row.narrow(dim, first_, tokens_).copy_(x);
    return;
  }
  const at::Tensor tokens = x.unsqueeze(dim).transpose(dim - 2, dim).flatten(dim, dim + 1);
  row.index_copy_(dim, real_, tokens.index_select(dim, places_).to(row.scalar_type()));
}

Inputs SequenceGroup::inputs(const Inputs& row) const {
  if (alone()) return sequence(row, first_, first_ + tokens_);
  Inputs own{of(row.q, 2), of(row.k, 2), of(row.v, 2), row.params, {}};
  own.key_mask = pads_.logical_not();
  if (row.key_mask) {
    own.key_mask->logical_and_(row.key_mask->flatten().index_select(0, source_).view_as(pads_));
  }
  return own;
}

at::Tensor SequenceGroup::of_sequences(const at::Tensor& x) const {
  return alone() ? x.narrow(0, sequences_[0], 1) : x.index_select(0, rows_);
}

void SequenceGroup::put_sequences(const at::Tensor& x, const at::Tensor& all) const {
  alone() ? all.narrow(0, sequences_[0], 1).copy_(x) : all.index_copy_(0, rows_, x);
}

std::vector<SequenceGroup> sequence_groups(const std::vector<int64_t>& begins, const Spec& spec,
                                           c10::Device device) {
  std::vector<SequenceGroup> groups;
  const auto count = static_cast<int64_t>(begins.size()) - 1;
  const bool each = device.is_cpu() || depends_on_length(spec);
  std::map<int64_t, std::vector<int64_t>> classes;
  const auto alone = [&](int64_t s) {
    groups.emplace_back(s, begins[s], begins[s + 1] - begins[s]);
  };
  for (int64_t s = 0; s < count; ++s) {
    const int64_t tokens = begins[s + 1] - begins[s];
    if (each || tokens == 0) {
      alone(s);
    } else {
      classes[size_class(tokens)].push_back(s);
    }
  }
  for (const auto& [size, sequences] : classes) {
    sequences.size() == 1 ? alone(sequences[0])
                          : void(groups.emplace_back(begins, sequences, device));
  }
  return groups;
}

}  // namespace luna::ops
