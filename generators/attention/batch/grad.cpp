// grad, batched: the gradient of every token at what its map is elementwise in: x itself, or the
// projection, from which dx = dt W, dW = dt^T x and db are matrix products outside.
#include "generators/attention/batch/grad_pass.h"

namespace luna {

class BatchGrad : public GradPass<BatchGrad> {
 public:
  Output<Buffer4> dx{"dx"};  // (j, n, h, b), or dt(i, n, h, b)

  void configure() { add_map(); }

  void generate() {
    const Func result = gradient().x;
    dx(j_, n_, h_, b_) = result(j_, n_, h_, b_);
    bind_rows(dx, features_ / feature_map_->channels());
  }

  void schedule() {
    const int group = feature_group() / feature_map_->channels();
    const int own = kOwn / feature_map_->channels();
    const Var jr("jr"), js("js"), c("c"), jl("jl"), nt("nt"), f("f"), gn("gn");
    Func out = dx;
    out.split(j_, g_, jr, group, Halide::TailStrategy::RoundUp)
        .split(jr, u_, js, own * kColumnLanes)
        .split(js, c, jl, own)
        .split(n_, nb_, nt, warp::kTokens, Halide::TailStrategy::GuardWithIf)
        .split(nt, f, t_, kTokensOfLane)
        .fuse(c, f, lane_)
        .split(nb_, nb_, ty_, 1)
        .fuse(g_, nb_, gn)
        .fuse(gn, b_, block_)
        .reorder(jl, u_, t_, lane_, ty_, block_, h_)
        .vectorize(jl, std::min(own, warp::kVector))
        .unroll(jl)
        .unroll(u_)
        .unroll(t_)
        .gpu_lanes(lane_)
        .gpu_threads(ty_)
        .gpu_blocks(block_, h_);
    schedule_product({out, block_});
    feature_map_->schedule_shared_gradient({out, u_});
  }
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::BatchGrad, batch_grad)
