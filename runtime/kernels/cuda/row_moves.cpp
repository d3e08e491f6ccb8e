#include "runtime/kernels/cuda/row_moves.h"

#include "generators/attention/tensor/token_moves.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels::cuda {
namespace {

using tensor::Gather;
using tensor::Scatter;

bool lies_in_rows(const at::Tensor& x) { return x.size(3) == 1 || x.stride(3) == 1; }

/// weight and den of the tokens x, or a stand-in, which is not read, for what there is not; then
/// what to make of them.
template <typename What>
void add_scalars(KernelCall& call, const at::Tensor& x, const at::Tensor& weight,
                 const at::Tensor& den, What what, const Denominator& rule) {
  const at::Tensor other = x.select(3, 0);
  call.add(static_cast<int32_t>(weight.defined()));
  call.add(weight.defined() ? weight : other);
  call.add(den.defined() ? den : other);
  call.add(static_cast<int32_t>(what));
  call.add(rule.add);
  call.add(finite_floor(rule.clamp));
}

at::Tensor gather(const Backend& backend, const Chunks& chunks, const at::Tensor& given,
                  const at::Tensor& o, const at::Tensor& den, const at::Tensor& weight,
                  const Denominator& rule, Gather what, int64_t width) {
  const at::Tensor x = lies_in_rows(given) ? given : given.contiguous();
  const at::Tensor rows =
      at::empty({chunks.z(), chunks.chunk, width}, x.options().dtype(at::kFloat));
  KernelCall call(backend, "rows_gather", x);
  call.add(x);
  call.add(o.defined() ? o : x);
  add_scalars(call, x, weight, den, what, rule);
  call.add(rows);
  call.run();
  return rows;
}

/// Whether a kernel did it.
bool scatter(const Backend& backend, const at::Tensor& rows, const at::Tensor& weight,
             const Denominator& rule, Scatter what, const at::Tensor& den, const at::Tensor& to) {
  if (!is_built(backend, "rows_scatter", rows) || !lies_in_rows(to)) return false;
  KernelCall call(backend, "rows_scatter", rows);
  call.add(rows);
  add_scalars(call, to, weight, den, what, rule);
  call.add(to);
  call.run();
  return true;
}

/// [x scale, last] of the tokens that are kept.
at::Tensor columns_of(const Chunks& chunks, const at::Tensor& x, const at::Tensor& weight,
                      const at::Tensor& scale, const at::Tensor& last, int64_t width) {
  at::Tensor values = x.to(at::kFloat);
  if (scale.defined()) values = values * scale.unsqueeze(-1);
  values = last.defined() ? at::cat({values, last.unsqueeze(-1)}, -1)
                          : at::constant_pad_nd(values, {0, 1}, 1.0);
  return chunks.rows(kept(values, weight), width);
}

}  // namespace

at::Tensor gather_rows(const Backend& backend, const Chunks& chunks, const at::Tensor& x,
                       const at::Tensor& weight, int64_t width) {
  if (!is_built(backend, "rows_gather", x)) return chunks.rows(kept(x, weight), width);
  return gather(backend, chunks, x, {}, {}, weight, {}, Gather::plain, width);
}

at::Tensor gather_keys(const Backend& backend, const Chunks& chunks, const at::Tensor& v,
                       const at::Tensor& weight, int64_t width) {
  if (!is_built(backend, "rows_gather", v)) {
    return columns_of(chunks, v, weight, weight, weight, width);
  }
  return gather(backend, chunks, v, {}, {}, weight, {}, Gather::key, width);
}

at::Tensor gather_queries(const Backend& backend, const Chunks& chunks, const at::Tensor& grad,
                          const at::Tensor& o, const at::Tensor& den, const at::Tensor& weight,
                          const Denominator& rule, int64_t width) {
  if (is_built(backend, "rows_gather", grad) && lies_in_rows(o)) {
    return gather(backend, chunks, grad, o, den, weight, rule, Gather::query, width);
  }
  const at::Tensor raw = den + rule.add, g = grad.to(at::kFloat);
  at::Tensor inverse = raw.clamp_min(rule.clamp).reciprocal_();
  if (weight.defined()) inverse.mul_(weight);
  const at::Tensor s = ((o * g).sum(-1) * inverse).masked_fill_(raw < rule.clamp, 0.0);
  return columns_of(chunks, g, weight, inverse, -s, width);
}

void scatter_rows(const Backend& backend, const Chunks& chunks, const at::Tensor& rows,
                  const at::Tensor& weight, const at::Tensor& to) {
  if (scatter(backend, rows, weight, {}, Scatter::plain, {}, to)) return;
  to.copy_(kept(chunks.tokens(rows).narrow(3, 0, to.size(3)), weight));
}

void scatter_weighted(const Backend& backend, const Chunks& chunks, const at::Tensor& rows,
                      const at::Tensor& weight, const at::Tensor& to) {
  if (scatter(backend, rows, weight, {}, Scatter::weighted, {}, to)) return;
  const at::Tensor sums = kept(chunks.tokens(rows).narrow(3, 0, to.size(3)), weight);
  to.copy_(weight.defined() ? sums * weight.unsqueeze(-1) : sums);
}

void scatter_quotients(const Backend& backend, const Chunks& chunks, const at::Tensor& rows,
                       const at::Tensor& weight, const Denominator& rule, const at::Tensor& den,
                       const at::Tensor& o) {
  if (scatter(backend, rows, weight, rule, Scatter::quotient, den, o)) return;
  const at::Tensor tokens = chunks.tokens(rows), power = tokens.select(3, o.size(3));
  den.copy_(weight.defined() ? power * weight : power);
  const at::Tensor inverse = (den + rule.add).clamp_min(rule.clamp).reciprocal_();
  const at::Tensor factor =
      weight.defined() ? (inverse * weight).masked_fill_(weight == 0, 0.0) : inverse;
  o.copy_(tokens.narrow(3, 0, o.size(3)) * factor.unsqueeze(-1));
}

}  // namespace luna::kernels::cuda
