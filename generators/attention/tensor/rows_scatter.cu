// Rows in memory as tokens: in the storage, strides and order that a tensor has them in.
#include "generators/attention/tensor/token_moves.cuh"

namespace luna::tensor {
namespace {

__device__ void scatter(const ScatterArguments& a) {
  const MovedRows at(a.rows);
  at.each(a.rows, [&](bool, bool there, int n, int64_t from) {
    if (!there) return;
    const float weight = a.weight.data ? scalar(a.weight, at.b, at.h, n) : 1.0f;
    const int lane = threadIdx.x % kMoveLanes;
    float factor = a.what == Scatter::plain ? 1 : weight;
    if (a.what == Scatter::quotient) {
      const float den = a.rows.data[from + a.out.columns] * weight;
      factor = weight == 0 ? 0 : inverse_of(den + a.add, a.clamp) * weight;
      float* const dens = static_cast<float*>(const_cast<void*>(a.den.data));
      if (lane == 0) dens[token_place(a.den, at.b, at.h, n)] = den;
    }
    const bool dropped = a.what != Scatter::quotient && weight == 0;
    const int64_t to = token_place(a.out.at, at.b, at.h, n);
    for (int column = 4 * lane; column < a.out.columns; column += 4 * kMoveLanes) {
      const float4 x = *reinterpret_cast<const float4*>(a.rows.data + from + column);
      write_four(a.out, to, column,
                 dropped ? make_float4(0, 0, 0, 0)
                         : make_float4(x.x * factor, x.y * factor, x.z * factor, x.w * factor));
    }
  });
}

}  // namespace

extern "C" __global__ void __launch_bounds__(kMoveThreads)
    LUNA_KERNEL(const __grid_constant__ ScatterArguments arguments) {
  scatter(arguments);
}

}  // namespace luna::tensor
