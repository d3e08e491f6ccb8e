#include "runtime/ops/packed.h"

#include "runtime/halide/cuda_driver.h"

namespace luna::ops {
namespace {

/// They begin at 0, never fall and end at N.
void check_offsets(const char* op, const std::vector<int64_t>& begins, const c10::SymInt& N) {
  TORCH_CHECK_VALUE(begins.front() == 0 && N == begins.back(), op,
                    ": cu_seqlens must begin with 0 and end with N = ", N, ", got ", begins.front(),
                    " and ", begins.back(), ".");
  for (size_t s = 1; s < begins.size(); ++s) {
    TORCH_CHECK_VALUE(begins[s - 1] <= begins[s], op, ": cu_seqlens must not fall, got ", begins[s],
                      " behind ", begins[s - 1], ".");
  }
}

void check_host_reads(const at::Tensor& cu_seqlens) {
  TORCH_CHECK(!cu_seqlens.is_cuda() || !halide::is_capturing(cu_seqlens.device()),
              "luna: the host cannot read cu_seqlens on ", cu_seqlens.device(),
              " while a CUDA graph is captured: pass it on the host");
}

}  // namespace

bool readable(const at::Tensor& x) {
  return x.has_storage() && !x.is_meta() && !x.key_set().has(c10::DispatchKey::Python);
}

std::vector<int64_t> check_packed(const char* op, const Inputs& in) {
  if (!in.cu_seqlens) return {};
  const at::Tensor& x = *in.cu_seqlens;
  TORCH_CHECK_TYPE(x.scalar_type() == at::kInt, op, ": cu_seqlens must be int32, got ",
                   x.scalar_type(), ".");
  TORCH_CHECK_VALUE(x.dim() == 1 && x.sym_size(0) >= 2, op,
                    ": cu_seqlens must be [S + 1] for S > 0 sequences, got ", x.sym_sizes(), ".");
  TORCH_CHECK_VALUE(x.is_cpu() || x.device() == in.q.device(), op,
                    ": cu_seqlens must be on the host or on q's device ", in.q.device(), ", got ",
                    x.device(), ".");
  TORCH_CHECK_VALUE(
      in.q.sym_size(0) == 1, op,
      ": cu_seqlens needs B = 1, all sequences in one row, got B = ", in.q.sym_size(0), ".");
  TORCH_CHECK_VALUE(in.q.sym_size(2) == in.k.sym_size(2), op,
                    ": cu_seqlens needs as many queries as keys, got Nq = ", in.q.sym_size(2),
                    " and N = ", in.k.sym_size(2), ".");
  if (!readable(x)) return {};
  std::vector<int64_t> begins = offsets(x);
  check_offsets(op, begins, in.k.sym_size(2));
  return begins;
}

Inputs with_host_offsets(Inputs in) {
  if (!in.cu_seqlens || !readable(*in.cu_seqlens)) return in;
  const bool there = in.cu_seqlens->is_cuda() && in.cu_seqlens->device() == in.q.device();
  if (there) {
    check_host_reads(*in.cu_seqlens);
    in.cu_seqlens = in.cu_seqlens->to(c10::kCPU);
  }
  return in;
}

std::vector<int64_t> offsets(const at::Tensor& cu_seqlens) {
  check_host_reads(cu_seqlens);
  const at::Tensor host = cu_seqlens.to(c10::kCPU, at::kLong).contiguous();
  const int64_t* first = host.const_data_ptr<int64_t>();
  return {first, first + host.numel()};
}

Inputs sequence(const Inputs& in, int64_t first, int64_t last) {
  const auto tokens = [&](const at::Tensor& x, int64_t dim) {
    return x.narrow(dim, first, last - first);
  };
  Inputs out{tokens(in.q, 2), tokens(in.k, 2), tokens(in.v, 2), in.params, {}};
  if (in.key_mask) out.key_mask = tokens(*in.key_mask, 1);
  return out;
}

int64_t longest(const std::vector<int64_t>& begins) {
  int64_t tokens = 0;
  for (size_t s = 1; s < begins.size(); ++s) tokens = std::max(tokens, begins[s] - begins[s - 1]);
  return tokens;
}

c10::SymInt longest(const Inputs& in) {
  if (!in.cu_seqlens) return in.q.sym_size(2).max(in.k.sym_size(2));
  return readable(*in.cu_seqlens) ? longest(offsets(*in.cu_seqlens)) : 0;
}

}  // namespace luna::ops
