// The kernels over rows in memory (generators/attention/tensor/rows_*.cu) as pipelines. Products:
// the arguments of their siblings (generators/attention/rows/product.cpp), after c what the tokens
// of a chunk see of each other by, against and values. Moves: those that row_moves.cpp gives.
#include "generators/attention/tensor/rows_arguments.h"
#include "generators/attention/tensor/token_moves.h"
#include "runtime/kernels/cuda/argument_reader.h"

namespace luna::tensor {
namespace {

using kernels::cuda::blocks_of;
using Reader = kernels::cuda::ArgumentReader;

Matrices read_matrices(Reader& in) {
  const halide_buffer_t& of = in.buffer();
  return {Reader::data_of<float>(of), of.dim[0].extent, of.dim[1].extent,
          of.dim[2].extent,           of.dim[1].stride, of.dim[2].stride};
}

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

/// The scan's, whose carry is a total that they are added to.
int scan(void** arguments, const char* module, const char* name) {
  Reader in(arguments);
  const halide::CudaPlace& place = in.place();
  ScanArguments a{};
  const halide_buffer_t& states = in.buffer();
  a.states = Reader::data_of<const float>(states);
  a.elements = states.dim[0].extent;
  a.chunks = states.dim[1].extent;
  a.total = in.data<double>();
  a.reverse = in.value<int32_t>();
  a.before = in.data<float>();
  a.across = blocks_of(a.elements, kScanThreads);
  const int64_t blocks = int64_t{a.across} * states.dim[2].extent;
  return halide::launch(place,
                        {module, name, static_cast<unsigned>(blocks), 1, 1, kScanThreads, 0, &a});
}

Tokens tokens_of(const halide_buffer_t& of, int after_token) {
  const halide_dimension_t* const token = of.dim + after_token;
  return {Reader::data_of<const void>(of), token[2].stride, token[1].stride, token[0].stride};
}

/// (j, n, h, b).
TokenRows rows_of(const halide_buffer_t& of) {
  TokenRows rows{};
  rows.at = tokens_of(of, 1);
  rows.columns = of.dim[0].extent;
  rows.type = of.type.bits == 32                  ? Element::f32
              : of.type.code == halide_type_float ? Element::f16
                                                  : Element::bf16;
  const auto whole = [](int64_t n) { return n % 4 == 0; };
  rows.four = whole(rows.columns) && whole(rows.at.batch) && whole(rows.at.head) &&
              whole(rows.at.token) && of.device % (4 * of.type.bits / 8) == 0;
  return rows;
}

/// (n, h, b); null where it says that there is none.
Tokens read_weight(Reader& in) {
  const bool given = in.value<int32_t>() != 0;
  const halide_buffer_t& of = in.buffer();
  return given ? tokens_of(of, 0) : Tokens{};
}

/// What both moves are given of every token, and what to make of it.
template <typename Arguments>
void read_scalars(Reader& in, Arguments& a) {
  a.weight = read_weight(in);
  a.den = tokens_of(in.buffer(), 0);
  a.what = static_cast<decltype(a.what)>(in.value<int32_t>());
  a.add = in.value<float>();
  a.clamp = in.value<float>();
}

int launch_moves(const halide::CudaPlace& place, const char* module, const char* name,
                 const ChunkRows& rows, void* arguments) {
  const auto parts = static_cast<unsigned>(blocks_of(rows.chunk, kMoveBlockRows));
  return halide::launch(
      place, {module, name, static_cast<unsigned>(rows.z), parts, 1, kMoveThreads, 0, arguments});
}

/// What rows (j, n, z) are of tokens (j, n, h, b).
ChunkRows chunk_rows(const halide_buffer_t& rows, const halide_buffer_t& tokens) {
  const int32_t heads = tokens.dim[2].extent, z = rows.dim[2].extent;
  return {Reader::data_of<float>(rows),     rows.dim[0].extent,  rows.dim[1].extent, z, heads,
          z / heads / tokens.dim[3].extent, tokens.dim[1].extent};
}

int gather(void** arguments, const char* module, const char* name) {
  Reader in(arguments);
  const halide::CudaPlace& place = in.place();
  GatherArguments a{};
  const halide_buffer_t& x = in.buffer();
  a.x = rows_of(x);
  a.o = rows_of(in.buffer());
  read_scalars(in, a);
  a.rows = chunk_rows(in.buffer(), x);
  return launch_moves(place, module, name, a.rows, &a);
}

int scatter(void** arguments, const char* module, const char* name) {
  Reader in(arguments);
  const halide::CudaPlace& place = in.place();
  ScatterArguments a{};
  const halide_buffer_t& rows = in.buffer();
  read_scalars(in, a);
  const halide_buffer_t& out = in.buffer();
  a.out = rows_of(out);
  a.rows = chunk_rows(rows, out);
  return launch_moves(place, module, name, a.rows, &a);
}

}  // namespace
}  // namespace luna::tensor

/// NAME_launch: of any module that has the kernel (cmake/LunaTensor.cmake).
#define LUNA_ROWS(entry, name)                                         \
  extern const char luna_ptx_##name[];                                 \
  extern "C" int name##_launch(void** arguments, const char* module) { \
    return luna::tensor::entry(arguments, module, #name);              \
  }                                                                    \
  extern "C" int name##_cuda_argv(void** arguments) {                  \
    return name##_launch(arguments, luna_ptx_##name);                  \
  }
LUNA_ROWS(product, rows_state_f32)
LUNA_ROWS(product, rows_apply_f32)
LUNA_ROWS(product, rows_gradient_f32)
LUNA_ROWS(scan, rows_scan_f64)
LUNA_ROWS(gather, rows_gather)
LUNA_ROWS(scatter, rows_scatter)
#undef LUNA_ROWS
