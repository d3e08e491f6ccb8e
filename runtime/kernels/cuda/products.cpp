#include "runtime/kernels/cuda/products.h"

#include "runtime/kernels/cuda/tensor_cores.h"

namespace luna::kernels::cuda {
namespace {

void add_map(KernelCall& call, const HeadMap& map, int direction) {
  call.add(static_cast<int32_t>(map.outer));
  call.add(static_cast<int32_t>(map.heads));
  call.add(static_cast<int32_t>(map.group));
  call.add(static_cast<int32_t>(direction));
}

/// One of Halide's pipelines.
void halide_product(const Backend& backend, const char* pipeline, const at::Tensor& rows,
                    const at::Tensor& c, const HeadMap& map, int direction, const at::Tensor& out) {
  KernelCall call(backend, pipeline, c);
  call.add(rows);
  call.add(c);
  add_map(call, map, direction);
  call.add(out);
  call.run();
}

/// The same, then the scores within chunks and what they sum.
void by_halide(const Backend& backend, const char* pipeline, const at::Tensor& rows,
               const at::Tensor& c, const HeadMap& map, const InChunk* chunk,
               const at::Tensor& out) {
  halide_product(backend, pipeline, rows, c, map, 0, out);
  if (!chunk) return;
  const int direction = static_cast<int>(chunk->seen);
  const at::Tensor scores = at::empty({c.size(0), c.size(1), chunk->against.size(1)}, c.options());
  halide_product(backend, "rows_gradient", chunk->against, c, map, direction, scores);
  halide_product(backend, "rows_seen", chunk->values, scores, map, direction, out);
}

/// All of it in one launch.
void on_tensor_cores(const Backend& backend, const std::string& sibling, const at::Tensor& rows,
                     const at::Tensor& c, const HeadMap& map, const InChunk* chunk,
                     const at::Tensor& out) {
  KernelCall call(backend, sibling, c);
  call.add(rows);
  call.add(c);
  call.add(chunk ? chunk->against : rows);
  call.add(chunk ? chunk->values : rows);
  add_map(call, map, chunk ? static_cast<int>(chunk->seen) : 0);
  call.add(out);
  call.run();
}

at::Tensor product(const Backend& backend, const char* pipeline, const at::Tensor& rows,
                   const at::Tensor& c, const HeadMap& map, const InChunk* chunk,
                   at::IntArrayRef shape) {
  const at::Tensor out = at::empty(shape, c.options());
  const std::string sibling = std::string(pipeline) + "_f32";
  const bool built = is_built(backend, sibling, c);
  say_once([&] {
    return built ? "tensor cores take products of features in memory"
                 : "products of features in memory by float32 pipelines: no tensor-core sibling "
                   "is built";
  });
  if (built) {
    on_tensor_cores(backend, sibling, rows, c, map, chunk, out);
  } else {
    by_halide(backend, pipeline, rows, c, map, chunk, out);
  }
  return out;
}

}  // namespace

at::Tensor outer_product(const Backend& backend, const at::Tensor& a, const at::Tensor& columns) {
  return product(backend, "rows_state", columns, a, {1, 1, 1}, nullptr,
                 {a.size(0), a.size(2), columns.size(2)});
}

at::Tensor combine(const Backend& backend, const at::Tensor& c, const at::Tensor& rows,
                   const HeadMap& map, const InChunk* chunk) {
  return product(backend, "rows_apply", rows, c, map, chunk, {c.size(0), c.size(1), rows.size(2)});
}

at::Tensor dots(const Backend& backend, const at::Tensor& c, const at::Tensor& rows,
                const HeadMap& map, const InChunk* chunk) {
  return product(backend, "rows_gradient", rows, c, map, chunk,
                 {c.size(0), c.size(1), rows.size(1)});
}

at::Tensor scan(const Backend& backend, const at::Tensor& states, const at::Tensor& total,
                bool reverse, int64_t tokens) {
  const at::Tensor before = at::empty_like(states);
  const About about(states.device(), tokens);
  const bool wide = is_built(backend, "rows_scan_f64", about);
  KernelCall call(backend, wide ? "rows_scan_f64" : "rows_scan", about);
  call.add(states);
  call.add(wide ? total : total.to(at::kFloat));
  call.add(static_cast<int32_t>(reverse));
  call.add(before);
  call.run();
  if (!wide) total.add_(states.sum(1, false, at::kDouble));
  return before;
}

}  // namespace luna::kernels::cuda
