#include "runtime/kernels/cuda/pass_calls.h"

#include "generators/common/tiles.h"
#include "runtime/kernels/cuda/tensor_cores.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels::cuda {

int64_t state_columns(const DeviceMap& map) {
  return tiles::state_columns(static_cast<int>(map.size()));
}

int64_t slot_tokens(const at::Tensor& x) {
  return slot_tokens(x.size(0) * x.size(1) * x.size(2), x.size(2));
}

int64_t slots(const at::Tensor& x) {
  return x.size(2) == 0 ? 0 : (x.size(2) + slot_tokens(x) - 1) / slot_tokens(x);
}

std::vector<int64_t> shape(const at::Tensor& x, std::initializer_list<int64_t> rest) {
  std::vector<int64_t> out{x.size(0), x.size(1)};
  out.insert(out.end(), rest);
  return out;
}

at::Tensor slot_total(const Tokens& tokens, const at::Tensor& partial, int64_t columns,
                      const DeviceMap::FeatureLayout& rows, const at::Tensor& sum) {
  narrow("state_total", "a tensor of partial sums", partial.numel());
  KernelCall call(tokens.backend, "state_total", tokens.x);
  call.add(partial);
  for (const int64_t value : {columns, rows.end, rows.stride, rows.used}) {
    call.add(static_cast<int32_t>(value));
  }
  call.add(sum);
  call.run();
  return sum;
}

KernelCall& add_columns(KernelCall& call, const at::Tensor& x, const at::Tensor& v,
                        const Tokens& tokens, const Columns& columns) {
  call.add(x);
  call.add(v);
  call.add(tokens.weight);
  call.add(columns.scale);
  call.add(columns.last);
  return call;
}

KernelCall& add_tokens(KernelCall& call, const Tokens& tokens, const Columns& columns) {
  return add_columns(call, tokens.x, columns.v, tokens, columns);
}

at::Tensor columns_first(const DeviceMap& map, const at::Tensor& state) {
  return state.narrow(3, 0, map.size() + 1).transpose(2, 3).contiguous();
}

KernelCall call_of(const Tokens& tokens, const std::string& pass) {
  return KernelCall(tokens.backend, tokens.map.pipeline(pass) + tokens.storage.suffix(), tokens.x);
}

}  // namespace luna::kernels::cuda
