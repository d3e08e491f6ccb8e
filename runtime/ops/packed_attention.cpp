#include "runtime/ops/packed_attention.h"

#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>

#include "runtime/kernels/layout.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/packed.h"

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

/// The tensors that `of` takes of each part, in order.
template <typename Part, typename Of>
std::vector<at::Tensor> column(const std::vector<Part>& parts, const Of& of) {
  std::vector<at::Tensor> tensors;
  for (const Part& part : parts) tensors.push_back(of(part));
  return tensors;
}

/// Sums in float64, in the order of the parts.
at::Tensor sum(const std::vector<at::Tensor>& parts, const at::Tensor& like) {
  const at::Tensor total = at::zeros(like.sizes(), like.options().dtype(at::kDouble));
  for (const at::Tensor& part : parts) total.add_(part);
  return total.to(like.scalar_type());
}

}  // namespace

kernels::Forward packed_forward(const Inputs& in, const Spec& spec, const PreparedMap& map) {
  const char* const op = spec.learned() ? "luna_attention" : "fixed_attention";
  const std::vector<int64_t> begins = check_values(op, in, spec);
  std::vector<kernels::Forward> parts(begins.size() - 1);
  for_each_sequence(begins, [&](int64_t s) {
    parts[s] = sequence_forward(sequence(in, begins[s], begins[s + 1]), spec, map);
  });
  const auto all = [&](at::Tensor kernels::Forward::*x) {
    return column(parts, [&](const kernels::Forward& part) { return part.*x; });
  };
  at::Tensor o = kernels::empty_in_order_of(in.q, in.v.size(3));
  at::cat_out(o, all(&kernels::Forward::o), 2);
  return {o, at::cat(all(&kernels::Forward::den), -1), at::cat(all(&kernels::Forward::S)),
          at::cat(all(&kernels::Forward::z))};
}

Gradients packed_backward(const at::Tensor& grad, const Inputs& in, const kernels::Forward& saved,
                          const Spec& spec, const WantedGradients& wanted, const PreparedMap& map) {
  const std::vector<int64_t> begins = offsets(*in.cu_seqlens);
  std::vector<Gradients> parts(begins.size() - 1);
  for_each_sequence(begins, [&](int64_t s) {
    const int64_t first = begins[s], tokens = begins[s + 1] - first;
    const kernels::Forward own_saved{saved.o.narrow(2, first, tokens),
                                     saved.den.narrow(-1, first, tokens), saved.S.narrow(0, s, 1),
                                     saved.z.narrow(0, s, 1)};
    parts[s] = sequence_backward(grad.narrow(2, first, tokens), sequence(in, first, begins[s + 1]),
                                 own_saved, spec, wanted, map);
  });
  const auto joined = [&](bool flag, const at::Tensor& x, at::Tensor Gradients::*which) {
    if (!flag) return at::Tensor();
    at::Tensor out = at::empty_like(x);
    at::cat_out(out, column(parts, [&](const Gradients& part) { return part.*which; }), 2);
    return out;
  };
  Gradients out{joined(wanted.q, in.q, &Gradients::q), joined(wanted.k, in.k, &Gradients::k),
                joined(wanted.v, in.v, &Gradients::v), std::vector<at::Tensor>(in.params.size())};
  for (size_t i = 0; i < in.params.size(); ++i) {
    if (!wanted.params[i]) continue;
    out.params[i] =
        sum(column(parts, [&](const Gradients& part) { return part.params[i]; }), in.params[i]);
  }
  return out;
}

}  // namespace luna::ops
