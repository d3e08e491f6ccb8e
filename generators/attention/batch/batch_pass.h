// What the CUDA passes share: one call works on all tokens of every (b, h), in blocks of one warp
// (generators/common/warp.h).
#pragma once

#include <string>
#include <vector>

#include "generators/attention/map_pass.h"
#include "generators/common/warp.h"

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
  using Base::size;
  using Buffer3 = Halide::Buffer<float, 3>;  // (n, h, b)
  using Buffer4 = Halide::Buffer<float, 4>;  // (j, n, h, b)
  using Buffer5 = Halide::Buffer<float, 5>;  // (e, D, slot, h, b)

  /// Four lanes share a group of rows of the products, each holding 4 columns of every 16.
  static constexpr int kColumnLanes = 4;
  static constexpr int kRowLanes = warp::kLanes / kColumnLanes;

  void add_map() { this->add_map_inputs(false, Form::batched); }

  /// Features that one block works on.
  int feature_group() const { return feature_map_->elementwise() ? int(size) : 64; }

  /// phi(D, n, h, b) of the tokens of x whose weight is not zero; others are those of a zero row.
  template <typename Source, typename Weights>
  Func features(Source& x, Weights& weight) {
    tokens_ = x.dim(1).extent();
    weight_ = weight;
    arguments_ = this->arguments();
    for (const auto& [name, shape] : arguments_.shapes) {
      if (shape.dimensions() == 3) {  // of every token
        Halide::OutputImageParam per_token = shape;
        per_token.set_host_alignment(sizeof(float));
        bind_scalars(per_token);
        Func of_row(name + "_of_row");
        of_row(n_, h_, b_) = arguments_.buffers.at(name)(row(n_), h_, b_);
        arguments_.buffers[name] = of_row;
      }
    }
    bind_rows(x);
    bind_scalars(weight);
    kept_(n_, h_, b_) = Halide::cast<int>(n_ < tokens_ && is_kept(Expr(weight_(row(n_), h_, b_))));
    rows_(j_, n_, h_, b_) = Halide::select(kept(n_), x(j_, row(n_), h_, b_), 0.0f);
    features_ = feature_map_->padded_features(arguments_, Expr(int(size)));
    return feature_map_->features(arguments_, {rows_, int(size), tokens_, features_, {h_, b_}});
  }

  /// Rows of a tile in shared memory, for maps that read them more than once, and which of them are
  /// kept.
  void stage_kept_x(const Halide::LoopLevel& at) {
    if (!feature_map_->elementwise()) stage_scalar(kept_, at);
    stage_x(at);
  }
  void stage_x(const Halide::LoopLevel& at) {
    if (!feature_map_->elementwise()) {
      warp::stage_rows(rows_, j_, n_, at, size, warp::kTokens);
    }
  }
  /// One value a token of a tile in shared memory.
  void stage_scalar(Func& f, const Halide::LoopLevel& at) const {
    f.compute_at(at).store_in(Halide::MemoryType::GPUShared).gpu_lanes(n_);
    f.bound_extent(n_, warp::kTokens);
  }

  /// Token n, or the last one past the end.
  Expr row(const Expr& n) const { return Halide::clamp(n, 0, Halide::max(tokens_ - 1, 0)); }

  /// Token n exists and its weight is not zero.
  Expr kept(const Expr& n) const { return kept_(n, h_, b_) != 0; }

  /// scale(n) v(e, n) of the tokens that are kept, zero for others; last(n) likewise.
  template <typename Values, typename Scalars>
  void columns(Values& v, Scalars& scale, Scalars& last) {
    bind_rows(v);
    bind_scalars(scale);
    bind_scalars(last);
    values_(e_, n_, h_, b_) =
        Halide::select(kept(n_), scale(row(n_), h_, b_) * v(e_, row(n_), h_, b_), 0.0f);
    last_(n_, h_, b_) = Halide::select(kept(n_), last(row(n_), h_, b_), 0.0f);
  }

  /// A token buffer (j, n, h, b): rows of `width` floats, aligned for vector loads.
  template <typename Rows>
  void bind_rows(Rows& rows, const Expr& width) const {
    rows.set_host_alignment(warp::kVector * sizeof(float));
    rows.dim(0).set_bounds(0, width).set_stride(1);
    for (int axis = 1; axis < 4; axis++) {
      rows.dim(axis).set_min(0).set_stride(rows.dim(axis).stride() / warp::kVector * warp::kVector);
    }
  }
  template <typename Rows>
  void bind_rows(Rows& rows) const {
    bind_rows(rows, int(size));
  }

  /// A per-token scalar (n, h, b) of any strides.
  template <typename Scalars>
  void bind_scalars(Scalars& scalars) const {
    scalars.dim(0).set_stride(Expr());
    for (int axis = 0; axis < 3; axis++) {
      scalars.dim(axis).set_min(0);
    }
  }

  /// A packed buffer: every extent but the last ones is given, so strides are too.
  template <typename Packed>
  void bind_packed(Packed& packed, const std::vector<Expr>& extents) const {
    packed.set_host_alignment(warp::kVector * sizeof(float));
    Expr stride = 1;
    for (int axis = 0; axis < packed.dimensions(); axis++) {
      packed.dim(axis).set_min(0).set_stride(stride);
      if (axis < int(extents.size())) {
        packed.dim(axis).set_extent(extents[axis]);
      }
      stride = stride * packed.dim(axis).extent();
    }
  }

  Var h_{"h"}, b_{"b"}, lane_{"lane"}, ty_{"ty"};
  /// What a block works on times b: dimension x of the grid, the one without a limit of 65,535.
  Var block_{"block"};
  Func rows_{"x_rows"};                      ///< (j, n, h, b)
  Func values_{"v_columns"};                 ///< (e, n, h, b)
  Func last_{"last_column"}, kept_{"kept"};  ///< (n, h, b)
  Func weight_;
  Arguments arguments_;
  Expr tokens_;
};

}  // namespace luna
