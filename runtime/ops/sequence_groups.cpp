#include "runtime/ops/sequence_groups.h"

#include <map>

#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/packed.h"

namespace luna::ops {
namespace {

at::Tensor table(const std::vector<int64_t>& values, c10::Device device) {
  return at::tensor(values, at::kLong).to(device);
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
  const auto length = [&](int64_t s) { return begins[s + 1] - begins[s]; };
  int64_t longest = 0;
  for (const int64_t s : sequences_) longest = std::max(longest, length(s));
  std::vector<int64_t> source, real, places;
  for (const int64_t s : sequences_) {
    for (int64_t n = 0; n < longest; ++n) {
      if (n < length(s)) {
        real.push_back(begins[s] + n);
        places.push_back(static_cast<int64_t>(source.size()));
      }
      source.push_back(begins[s] + std::min(n, length(s) - 1));
    }
  }
  rows_ = table(sequences_, device);
  source_ = table(source, device);
  real_ = table(real, device);
  places_ = table(places, device);
  const auto count = static_cast<int64_t>(sequences_.size());
  pads_ = at::ones({count * longest}, at::TensorOptions(device).dtype(at::kBool))
              .index_fill_(0, places_, false)
              .view({count, longest});
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
