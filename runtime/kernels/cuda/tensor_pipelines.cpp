// The tensor-core kernels of generators/attention/tensor as pipelines: the arguments of the batched
// passes (generators/attention/batch), with x and v in the storage of the name.
#include "generators/attention/tensor/arguments.h"
#include "runtime/kernels/cuda/argument_reader.h"

namespace luna::tensor {
namespace {

struct Kernel {
  const char *module, *name;
  int size;  ///< of heads
  Parts parts;
  bool elementwise;  ///< its map; else psi as a table
};

using kernels::cuda::blocks_of;

class TokenReader : public kernels::cuda::ArgumentReader {
 public:
  using ArgumentReader::ArgumentReader;

  /// (n, h, b) or (j, n, h, b).
  Tokens tokens() { return tokens_of(buffer()); }
  static Tokens tokens_of(const halide_buffer_t& of) {
    const halide_dimension_t* const last = of.dim + of.dimensions;
    return {data_of<const void>(of), last[-1].stride, last[-2].stride, last[-3].stride};
  }
};

/// What the map of a problem reads, as PsiInputs and DeviceMap add it.
Map read_map(TokenReader& in, const Kernel& kernel) {
  Map map{};
  map.groups = 1;
  if (kernel.elementwise) return map;
  map.projections = in.data<const float>();
  const halide_buffer_t& bias = in.buffer();
  map.bias = TokenReader::data_of<const float>(bias);
  map.groups = bias.dim[0].extent / kProjections;
  map.first_row = in.data<const int32_t>();
  map.knots = in.data<const float>();
  map.halvings = in.value<int32_t>();
  const halide_buffer_t& table = in.buffer();
  map.table = TokenReader::data_of<const float>(table);
  map.rows = table.dim[1].extent;
  map.segments = in.value<int32_t>();
  map.floor = in.value<float>();
  return map;
}

/// x (j, n, h, b); the weight and the map are read later.
Problem problem_of(const halide_buffer_t& x) {
  Problem side{};
  side.x = TokenReader::tokens_of(x);
  side.tokens = x.dim[1].extent;
  side.heads = x.dim[2].extent;
  return side;
}

/// A grid of (blocks, heads, batch), of x (j, n, h, b).
int launch(const halide::CudaPlace& place, const Kernel& kernel, void* a, int64_t blocks,
           const halide_buffer_t& x, int warps, int64_t shared) {
  const auto count = [](int64_t n) { return static_cast<unsigned>(n); };
  return halide::launch(place, {kernel.module, kernel.name, count(blocks), count(x.dim[2].extent),
                                count(x.dim[3].extent), count(warps * kWarp), count(shared), a});
}

/// With that much shared memory beside the table, whose rows lie there in up to `copies`.
template <typename Arguments>
int launch(const halide::CudaPlace& place, const Kernel& kernel, Arguments& a, int64_t blocks,
           const halide_buffer_t& x, int warps, int shared, int copies) {
  Map& map = a.side.map;
  map.copies = table_copies(shared, map.halvings, map.rows, copies);
  return launch(place, kernel, &a, blocks, x, warps,
                shared + table_bytes(map.halvings, map.rows, map.copies));
}

int kv_state(void** arguments, const Kernel& kernel) {
  TokenReader in(arguments);
  const halide::CudaPlace& place = in.place();
  const halide_buffer_t& x = in.buffer();
  StateArguments a{};
  a.side = problem_of(x);
  a.v = in.tokens();
  a.side.weight = in.tokens();
  a.scale = in.tokens();
  a.last = in.tokens();
  a.slot_tokens = in.value<int32_t>();
  a.side.map = read_map(in, kernel);
  const halide_buffer_t& partial = in.buffer();
  a.partial = TokenReader::data_of<float>(partial);
  a.width = partial.dim[0].extent;
  a.slots = partial.dim[2].extent;
  if (kernel.elementwise) {
    return launch(place, kernel, &a, a.slots, x, elementwise_warps(kernel.size),
                  elementwise_state_bytes(kernel.size, kernel.parts));
  }
  return launch(place, kernel, a, a.side.map.groups * a.slots, x, kStateWarps,
                state_bytes(kernel.size, kernel.parts), 4);
}

int apply_state(void** arguments, const Kernel& kernel) {
  TokenReader in(arguments);
  const halide::CudaPlace& place = in.place();
  const halide_buffer_t& x = in.buffer();
  ApplyArguments a{};
  a.side = problem_of(x);
  a.side.weight = in.tokens();
  const halide_buffer_t& state = in.buffer();
  a.state = TokenReader::data_of<const float>(state);
  a.width = state.dim[0].extent;
  a.key_heads = state.dim[2].extent;
  a.group = a.side.heads / a.key_heads;
  a.add = in.value<float>();
  a.clamp = in.value<float>();
  a.side.map = read_map(in, kernel);
  const halide_buffer_t& out = in.buffer();
  a.out = TokenReader::tokens_of(out);
  a.wide = out.type.bits == 32;
  a.den = in.tokens();
  const int64_t blocks = blocks_of(a.side.tokens, block_tokens(kernel.parts.factor));
  if (kernel.elementwise) {
    return launch(place, kernel, &a, blocks, x, kTokenWarps,
                  elementwise_apply_bytes(kernel.size, kernel.parts));
  }
  return launch(place, kernel, a, blocks, x, kTokenWarps, apply_bytes(kernel.size, kernel.parts),
                2);
}

int quotient_grad(void** arguments, const Kernel& kernel) {
  TokenReader in(arguments);
  const halide::CudaPlace& place = in.place();
  QuotientArguments a{};
  a.weight = in.tokens();
  const halide_buffer_t& o = in.buffer();
  a.o = TokenReader::tokens_of(o);
  a.tokens = o.dim[1].extent;
  a.grad = in.tokens();
  a.den = in.tokens();
  a.add = in.value<float>();
  a.clamp = in.value<float>();
  a.inverse = in.tokens();
  a.minus_s = in.tokens();
  return launch(place, kernel, &a, blocks_of(a.tokens, kRowTokens), o, kTokenWarps, 0);
}

int grad(void** arguments, const Kernel& kernel) {
  TokenReader in(arguments);
  const halide::CudaPlace& place = in.place();
  const halide_buffer_t& x = in.buffer();
  GradArguments a{};
  a.side = problem_of(x);
  a.v = in.tokens();
  a.side.weight = in.tokens();
  a.scale = in.tokens();
  a.last = in.tokens();
  const halide_buffer_t& state = in.buffer();
  a.state = TokenReader::data_of<const float>(state);
  a.width = state.dim[0].extent;
  a.key_heads = state.dim[2].extent;
  a.group = a.side.heads / a.key_heads;
  a.side.map = read_map(in, kernel);
  const halide_buffer_t& dx = in.buffer();
  const bool wide = dx.type.bits > x.type.bits;
  if (!wide) a.dx = TokenReader::tokens_of(dx);
  a.blocks = blocks_of(a.side.tokens, kGradTokens);
  if (kernel.elementwise) {
    return launch(place, kernel, &a, a.blocks, x, kGradWarps,
                  elementwise_grad_bytes(kernel.size, kernel.parts));
  }
  float* const carry = in.data<float>();
  a.carry = wide ? TokenReader::data_of<float>(dx) : carry;
  float* const partial = in.data<float>();
  a.partial = in.value<int32_t>() ? partial : nullptr;
  return launch(place, kernel, a, a.blocks, x, kGradWarps, grad_bytes(kernel.size, kernel.parts),
                4);
}

int grad_params(void** arguments, const Kernel& kernel) { return grad(arguments, kernel); }

}  // namespace
}  // namespace luna::tensor

/// NAME_launch: of any module that has the kernel (cmake/LunaTensor.cmake).
#define LUNA_TENSOR(pass, map, size, storage, parts, elementwise)                             \
  extern const char luna_ptx_##pass##map##size##_##storage[];                                 \
  extern "C" int pass##map##size##_##storage##_launch(void** arguments, const char* module) { \
    return luna::tensor::pass(arguments, {module, #pass #map #size "_" #storage, size,        \
                                          luna::tensor::parts, elementwise});                 \
  }                                                                                           \
  extern "C" int pass##map##size##_##storage##_cuda_argv(void** arguments) {                  \
    return pass##map##size##_##storage##_launch(arguments,                                    \
                                                luna_ptx_##pass##map##size##_##storage);      \
  }
#define LUNA_TENSOR_HALVES(pass, map, elementwise)             \
  LUNA_TENSOR(pass, map, 32, bf16, kBrainStorage, elementwise) \
  LUNA_TENSOR(pass, map, 64, bf16, kBrainStorage, elementwise) \
  LUNA_TENSOR(pass, map, 32, f16, kHalfStorage, elementwise)   \
  LUNA_TENSOR(pass, map, 64, f16, kHalfStorage, elementwise)
#define LUNA_TENSOR_PASS(pass, map)                     \
  LUNA_TENSOR_HALVES(pass, map, false)                  \
  LUNA_TENSOR(pass, map, 32, f32, kFloatStorage, false) \
  LUNA_TENSOR(pass, map, 64, f32, kFloatStorage, false)
#define LUNA_TENSOR_MAP(map)                 \
  LUNA_TENSOR_HALVES(kv_state, map, true)    \
  LUNA_TENSOR_HALVES(apply_state, map, true) \
  LUNA_TENSOR_HALVES(grad, map, true)
LUNA_TENSOR_PASS(quotient_grad, _)
LUNA_TENSOR_PASS(kv_state, _pwl8_)
LUNA_TENSOR_PASS(apply_state, _pwl8_)
LUNA_TENSOR_PASS(grad, _pwl8_)
LUNA_TENSOR_PASS(grad_params, _pwl8_)
LUNA_TENSOR_MAP(_elu_)
LUNA_TENSOR_MAP(_relu_)
LUNA_TENSOR_MAP(_relu2_)
LUNA_TENSOR_MAP(_identity_)
#undef LUNA_TENSOR_MAP
#undef LUNA_TENSOR_PASS
#undef LUNA_TENSOR_HALVES
#undef LUNA_TENSOR
