// The tensor-core products of rows in memory (generators/attention/tensor/rows_*.cu) as pipelines:
// the arguments of their siblings (generators/attention/rows/product.cpp), after c what the tokens
// of a chunk see of each other by, against and values.
#include "generators/attention/tensor/rows_arguments.h"
#include "runtime/kernels/cuda/argument_reader.h"

namespace luna::tensor {
namespace {

using Reader = kernels::cuda::ArgumentReader;

Matrices read_matrices(Reader& in) {
  const halide_buffer_t& of = in.buffer();
  return {Reader::data_of<float>(of), of.dim[0].extent, of.dim[1].extent,
          of.dim[2].extent,           of.dim[1].stride, of.dim[2].stride};
}

constexpr int32_t blocks_of(int32_t extent, int32_t step) { return (extent + step - 1) / step; }

int product(void** arguments, const char* module, const char* name) {
  Reader in(arguments);
  const halide::CudaPlace& place = in.place();
  RowsArguments a{};
  a.rows = read_matrices(in);
  a.c = read_matrices(in);
  a.against = read_matrices(in);
  a.values = read_matrices(in);
  a.outer = in.value<int32_t>();
  a.heads = in.value<int32_t>();
  a.group = in.value<int32_t>();
  a.direction = in.value<int32_t>();
  a.out = read_matrices(in);
  a.across = blocks_of(a.out.columns, kRowsColumns);
  a.wide = blocks_of(blocks_of(a.out.columns, a.across), 16) * 16;
  a.down = blocks_of(a.out.rows, kRowsTall);
  const int64_t blocks = int64_t{a.across} * a.down * a.out.count;
  return halide::launch(
      place, {module, name, static_cast<unsigned>(blocks), 1, 1, kRowsWarps * kWarp, 0, &a});
}

}  // namespace
}  // namespace luna::tensor

#define LUNA_ROWS(name)                                              \
  extern const char luna_ptx_##name[];                               \
  extern "C" int name##_cuda_argv(void** arguments) {                \
    return luna::tensor::product(arguments, luna_ptx_##name, #name); \
  }
LUNA_ROWS(rows_state_f32)
LUNA_ROWS(rows_apply_f32)
LUNA_ROWS(rows_gradient_f32)
