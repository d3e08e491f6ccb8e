#include "runtime/ops/packed_attention.h"

#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>

#include "runtime/kernels/layout.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/fixed_maps.h"
#include "runtime/ops/internal.h"
#include "runtime/ops/packed.h"
#include "runtime/ops/sequence_groups.h"

namespace luna::ops {
namespace {

/// body(s) for every sequence s: a run of sequences a thread where none is longer than a thread's
/// share of the tokens, else one after the other on all threads. A sequence's bits are the same in
/// both.
template <typename Body>
void for_each_sequence(const std::vector<int64_t>& begins, const Body& body) {
  const auto count = static_cast<int64_t>(begins.size()) - 1;
  const int64_t threads = at::get_num_threads(), tokens = begins.back();
  if (longest(begins) * threads > tokens) {
    for (int64_t s = 0; s < count; ++s) body(s);
    return;
  }
  const auto first_of = [&](int64_t thread) {
    if (thread == threads) return count;
    const auto end = begins.begin() + count;
    return std::lower_bound(begins.begin(), end, tokens * thread / threads) - begins.begin();
  };
  at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    const at::AutoDispatchBelowADInplaceOrView below_autograd;
    for (int64_t s = first_of(begin); s < first_of(end); ++s) body(s);
  });
}

/// body(i, group i) for every group of the sequences; returns how many there are.
template <typename Body>
size_t for_each_group(const Inputs& in, const std::vector<int64_t>& begins, const Spec& spec,
                      const Body& body) {
  const std::vector<SequenceGroup> groups = sequence_groups(begins, spec, in.q.device());
  const auto run = [&](int64_t i) { body(i, groups[i]); };
  if (in.q.is_cpu()) {
    for_each_sequence(begins, run);
  } else {
    for (size_t i = 0; i < groups.size(); ++i) run(static_cast<int64_t>(i));
  }
  return groups.size();
}

/// Room for what all sequences together give.
kernels::Forward empty_forward(const Inputs& in, const Spec& spec) {
  const auto sums = in.q.options().dtype(at::kFloat);
  const int64_t Hk = in.k.size(1), dv = in.v.size(3), D = feature_count(in, spec).expect_int();
  const int64_t S = in.cu_seqlens->size(0) - 1;
  std::vector<int64_t> den = in.q.sizes().slice(0, 3).vec();
  if (by_polarity(spec)) den.insert(den.begin(), 2);
  return {kernels::empty_in_order_of(in.q, dv, spec.o_type), at::empty(den, sums),
          at::empty({S, Hk, D, dv}, sums), at::empty({S, Hk, D}, sums),
          at::empty_symint(stabiliser_shape(spec, S, Hk), sums)};
}

/// Sums in float64, in the order of the parts.
at::Tensor sum(const std::vector<std::vector<at::Tensor>>& parts, size_t i,
               const at::Tensor& like) {
  const at::Tensor total = at::zeros(like.sizes(), like.options().dtype(at::kDouble));
  for (const std::vector<at::Tensor>& part : parts) total.add_(part[i]);
  return total.to(like.scalar_type());
}

}  // namespace

kernels::Forward packed_forward(const Inputs& given, const Spec& spec, const PreparedMap& map) {
  const Inputs in = with_host_offsets(given);
  const char* const op = spec.op();
  const std::vector<int64_t> begins = check_values(op, in, spec);
  kernels::Forward all = empty_forward(in, spec);
  all.key_sums.resize(begins.size() - 1);
  for_each_group(in, begins, spec, [&](int64_t i, const SequenceGroup& group) {
    const Inputs own = group.inputs(in);
    check_state_elements(op, own, spec);
    const kernels::Forward part = sequence_forward(own, spec, map);
    group.put(part.o, all.o, 2);
    group.put(part.den, all.den, all.den.dim() - 1);
    group.put_sequences(part.S, all.S);
    group.put_sequences(part.z, all.z);
    if (all.M.dim() > 1) group.put_sequences(part.M, all.M);
    if (!part.key_sums.empty()) all.key_sums[i] = part.key_sums.front();
  });
  return all;
}

Gradients packed_backward(const at::Tensor& grad, const Inputs& given,
                          const kernels::Forward& saved, const Spec& spec,
                          const WantedGradients& wanted, const PreparedMap& map) {
  const Inputs in = with_host_offsets(given);
  const auto room = [](bool flag, const at::Tensor& x) {
    return flag ? at::empty_like(x) : at::Tensor();
  };
  Gradients out{room(wanted.q, in.q), room(wanted.k, in.k), room(wanted.v, in.v),
                std::vector<at::Tensor>(in.params.size())};
  const std::vector<int64_t> begins = offsets(*in.cu_seqlens);
  std::vector<std::vector<at::Tensor>> params(begins.size() - 1);
  const size_t groups =
      for_each_group(in, begins, spec, [&](int64_t i, const SequenceGroup& group) {
        kernels::Forward own_saved{group.of(saved.o, 2), group.of(saved.den, saved.den.dim() - 1),
                                   group.of_sequences(saved.S), group.of_sequences(saved.z),
                                   saved.M.dim() > 1 ? group.of_sequences(saved.M) : saved.M};
        if (!saved.key_sums.empty()) own_saved.key_sums = {saved.key_sums[i]};
        const Gradients part = sequence_backward(group.gradients_of(grad), group.inputs(in),
                                                 own_saved, spec, wanted, map);
        if (wanted.q) group.put(part.q, out.q, 2);
        if (wanted.k) group.put(part.k, out.k, 2);
        if (wanted.v) group.put(part.v, out.v, 2);
        params[i] = part.params;
      });
  params.resize(groups);
  for (size_t i = 0; i < in.params.size(); ++i) {
    if (wanted.params[i]) out.params[i] = sum(params, i, in.params[i]);
  }
  return out;
}

}  // namespace luna::ops
