// What the CUDA passes share: one call works on all tokens of every (b, h). A block is one warp:
// accumulators are sharded over its lanes and stay in registers, what lanes exchange goes through
// shared memory. Without a GPU in the target the same algorithm is compiled with a plain schedule.
#pragma once

#include <string>
#include <vector>

#include "generators/attention/map_pass.h"

namespace luna {

template <typename Pass>
class BatchPass : public MapPass<Pass> {
 protected:
  using Base = MapPass<Pass>;
  template <typename T>
  using Input = typename Base::template Input<T>;
  template <typename T>
  using Output = typename Base::template Output<T>;
  using Base::align, Base::D_, Base::e_, Base::n_, Base::j_, Base::feature_map_, Base::features_;
  using Base::size, Base::channels;
  using Buffer1 = Halide::Buffer<float, 1>;
  using Buffer3 = Halide::Buffer<float, 3>;  // (n, h, b)
  using Buffer4 = Halide::Buffer<float, 4>;  // (j, n, h, b)
  using Buffer5 = Halide::Buffer<float, 5>;  // (e, D, slot, h, b)

  static constexpr int kWarp = 32;
  static constexpr int kVector = 4;  ///< floats in the widest load

  void add_map() { this->add_map_inputs(Side::key, false, true); }

  bool on_gpu() const { return this->get_target().has_gpu_feature(); }

  /// Features that one block accumulates, and those of one lane.
  int feature_group() const { return feature_map_->elementwise() ? int(size) : 64; }
  int lane_features() const { return feature_group() / 8; }
  /// Columns of values that one of the four lanes of a group accumulates.
  int lane_columns() const { return size / 4; }

  /// phi(D, n, h, b) of the tokens of x whose weight is not zero; others are those of a zero row.
  template <typename Source, typename Weights>
  Func features(Source& x, Weights& weight) {
    const Arguments args = this->arguments();
    for (const auto& [name, shape] : args.shapes) {
      if (shape.dimensions() == 3) {
        Halide::OutputImageParam per_token = shape;
        per_token.set_host_alignment(4);
        per_token.dim(0).set_stride(Expr());
      }
    }
    tokens_ = x.dim(1).extent();
    weight_ = weight;
    bind_rows(x);
    bind_scalars(weight);
    rows_(j_, n_, h_, b_) = Halide::select(kept(n_), x(j_, row(n_), h_, b_), 0.0f);
    features_ = feature_map_->padded_features(args, Expr(int(size)));
    return feature_map_->features(args, {rows_, int(size), tokens_, features_, {h_, b_}},
                                  Side::key);
  }

  /// Token n, or the last one past the end.
  Expr row(const Expr& n) const { return Halide::clamp(n, 0, Halide::max(tokens_ - 1, 0)); }

  /// Token n exists and its weight is not zero.
  Expr kept(const Expr& n) const { return n < tokens_ && is_kept(weight_(row(n), h_, b_)); }

  /// A token buffer (j, n, h, b): rows of `size` floats, aligned for vector loads.
  template <typename Rows>
  void bind_rows(Rows& rows) const {
    rows.set_host_alignment(kVector * sizeof(float));
    rows.dim(0).set_bounds(0, int(size)).set_stride(1);
    for (int axis = 1; axis < 4; axis++) {
      rows.dim(axis).set_min(0).set_stride(rows.dim(axis).stride() / kVector * kVector);
    }
  }

  /// A per-token scalar (n, h, b) of any strides.
  template <typename Scalars>
  void bind_scalars(Scalars& scalars) const {
    scalars.dim(0).set_stride(Expr());
    for (int axis = 0; axis < 3; axis++) {
      scalars.dim(axis).set_min(0);
    }
  }

  /// A packed buffer: every extent but the last is fixed, so strides are too.
  template <typename Packed>
  void bind_packed(Packed& packed, const std::vector<Expr>& extents) const {
    packed.set_host_alignment(kVector * sizeof(float));
    Expr stride = 1;
    for (int axis = 0; axis < packed.dimensions(); axis++) {
      packed.dim(axis).set_min(0).set_stride(stride);
      if (axis < int(extents.size())) {
        packed.dim(axis).set_extent(extents[axis]);
      }
      stride = stride * packed.dim(axis).extent();
    }
  }

  /// f(a, n, ...) with `width` values a in shared memory, loaded by the whole warp in rows.
  void stage_rows(Func f, const Var& a, const Halide::LoopLevel& at, int width) {
    const Var ao("ao"), ai("ai"), no("no"), ni("ni"), lane("lane");
    f.compute_at(at).store_in(Halide::MemoryType::GPUShared).align_storage(a, width + kVector);
    f.split(a, ao, ai, kVector)
        .split(n_, no, ni, kWarp * kVector / width)
        .reorder(ai, no, ao, ni)
        .vectorize(ai)
        .unroll(no)
        .fuse(ao, ni, lane)
        .gpu_lanes(lane);
  }

  Var h_{"h"}, b_{"b"}, lane_{"lane"};
  Func rows_{"rows"};  ///< (j, n, h, b)
  Expr tokens_;
  Func weight_;
};

}  // namespace luna
