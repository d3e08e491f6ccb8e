#include "runtime/kernels/cuda/products.h"

namespace luna::kernels::cuda {
namespace {

void product(const Backend& backend, const char* pipeline, const at::Tensor& rows,
             const at::Tensor& c, const HeadMap& map, int direction, const at::Tensor& out) {
  KernelCall call(backend, pipeline, out);
  call.add(rows);
  call.add(c);
  call.add(static_cast<int32_t>(map.outer));
  call.add(static_cast<int32_t>(map.heads));
  call.add(static_cast<int32_t>(map.group));
  call.add(static_cast<int32_t>(direction));
  call.add(out);
  call.run();
}

at::Tensor sum_of(const at::Tensor& c, int64_t width) {
  return at::empty({c.size(0), c.size(1), width}, c.options());
}

}  // namespace

at::Tensor outer_product(const Backend& backend, const at::Tensor& a, const at::Tensor& columns) {
  const at::Tensor out = at::empty({a.size(0), a.size(2), columns.size(2)}, a.options());
  product(backend, "rows_state", columns, a, {1, 1, 1}, 0, out);
  return out;
}

at::Tensor combine(const Backend& backend, const at::Tensor& c, const at::Tensor& rows,
                   const HeadMap& map) {
  const at::Tensor out = sum_of(c, rows.size(2));
  product(backend, "rows_apply", rows, c, map, 0, out);
  return out;
}

at::Tensor dots(const Backend& backend, const at::Tensor& c, const at::Tensor& rows,
                const HeadMap& map) {
  const at::Tensor out = sum_of(c, rows.size(1));
  product(backend, "rows_gradient", rows, c, map, 0, out);
  return out;
}

at::Tensor scores(const Backend& backend, const at::Tensor& c, const at::Tensor& rows,
                  const HeadMap& map, Seen seen) {
  const at::Tensor out = sum_of(c, rows.size(1));
  product(backend, "rows_gradient", rows, c, map, static_cast<int>(seen), out);
  return out;
}

void add_seen(const Backend& backend, const at::Tensor& c, const at::Tensor& rows,
              const HeadMap& map, Seen seen, const at::Tensor& out) {
  product(backend, "rows_seen", rows, c, map, static_cast<int>(seen), out);
}

at::Tensor scan(const Backend& backend, const at::Tensor& states, const at::Tensor& carry,
                bool reverse) {
  const at::Tensor before = at::empty_like(states);
  KernelCall call(backend, "rows_scan", states);
  call.add(states);
  call.add(carry);
  call.add(static_cast<int32_t>(reverse));
  call.add(before);
  call.run();
  return before;
}

}  // namespace luna::kernels::cuda
