// What the CPU's tile pipelines share. A tile is a small row-major block in the cache: a row a
// token, float32, rows padded to whole register blocks and starting on 64 bytes, tokens padded to a
// multiple of tiles::kTokenBlock. runtime/kernels/cpu composes every pass from them.
#pragma once

#include "Halide.h"
#include "generators/common/numeric.h"
#include "generators/common/tiles.h"

namespace luna {

template <typename Pass>
class TilePipeline : public Halide::Generator<Pass> {
 protected:
  using Buffer1 = Halide::Buffer<float, 1>;
  using Buffer2 = Halide::Buffer<float, 2>;
  using Expr = Halide::Expr;
  using Func = Halide::Func;
  using RDom = Halide::RDom;
  using Var = Halide::Var;
  template <typename T>
  using Input = Halide::GeneratorInput<T>;
  template <typename T>
  using Output = Halide::GeneratorOutput<T>;

  static constexpr auto kGuard = Halide::TailStrategy::GuardWithIf;
  static constexpr auto kRoundUp = Halide::TailStrategy::RoundUp;

  int lanes() const { return this->natural_vector_size(Halide::Float(32)); }

  /// Rows of a tile: aligned, dimension 0 contiguous.
  template <typename Packed>
  static void bind_tile(Packed& buffer) {
    buffer.set_host_alignment(64);
    bind_rows(buffer);
  }
  /// Rows of a tile or of a user's tensor.
  template <typename Packed>
  static void bind_rows(Packed& buffer) {
    buffer.dim(0).set_min(0).set_stride(1);
    buffer.dim(1).set_min(0);
  }
  /// Values of tokens in memory of any stride, 0 for one value for all.
  template <typename Scalars>
  static void bind_scalars(Scalars& scalars) {
    scalars.dim(0).set_min(0).set_stride(Expr());
  }

  Var j_{"j"}, n_{"n"};
};

}  // namespace luna
