#include "runtime/kernels/cpu/feature_tiles.h"

namespace luna::kernels {
namespace {

/// Arguments that both pipelines begin with, then those of the gradient.
enum { kX, kWeight, kD, kPhi, kDphi };

size_t add_tile(TileCall& call, const Tile& tile, int64_t width) {
  return call.add(tile.data(), {{width, 1}, {0, tile.pitch()}});
}

}  // namespace

FeatureTiles::FeatureTiles(const PackedMap& map, const at::Tensor& x, const at::Tensor& weight,
                           int64_t tokens)
    : map_(map),
      rows_(x),
      weights_(weight, tokens),
      x_(x.size(3), tokens),
      phi_(map.layout().padded, tokens),
      shifted_(map.epsilon() != 0.0f ? map.layout().padded : 0, tokens),
      dx_(x.size(3), tokens),
      t_(tokens, map.located() ? map.projections() : 0),
      segment_(tokens, map.located() ? map.projections() : 0),
      dt_(map.located() ? tiles::round_up(map.projections(), tiles::kLanes) : 0, tokens),
      largest_(1, tokens) {}

Sites FeatureTiles::sites() const {
  return {t_.data(), reinterpret_cast<int32_t*>(segment_.data()), t_.pitch(), dt_.data(),
          dt_.pitch()};
}

void FeatureTiles::begin(TileCall& call) {
  add_tile(call, x_, x_.width());
  call.add(weights_.data(), {{0, 1}});
  call.add(static_cast<int32_t>(rows_.width()));
}

float FeatureTiles::stabiliser(const Task& task) const {
  const at::Tensor& values = map_.args().stabiliser;
  return values.defined() ? values.const_data_ptr<float>()[task.b * values.size(1) + task.h] : 0.0f;
}

void FeatureTiles::start(const Task& task, int64_t key_head) { start(task, key_head, false); }

void FeatureTiles::start(const Task& task, int64_t key_head, bool bare) {
  if (task == task_ && bare == bare_) return;
  task_ = task;
  tokens_ = 0;
  bare_ = bare;
  grad_.reset();
  features_.emplace("features_" + map_.variant());
  begin(*features_);
  features_->add(map_.feature_mask(), {{phi_.width(), 1}});
  values_at_ = map_.add_inputs(*features_, false, key_head, stabiliser(task), sites(), bare);
  phi_at_ = add_tile(*features_, phi_, phi_.width());
  if (map_.reports_largest()) largest_at_ = features_->add(largest_.data(), {{0, 1}});
}

void FeatureTiles::start_gradient(const Task& task, int64_t key_head, float* sums) {
  start(task, key_head, map_.epsilon() != 0.0f);
  if (grad_ && sums == sums_) return;
  sums_ = sums;
  grad_.emplace("features_grad_" + map_.variant());
  begin(*grad_);
  add_tile(*grad_, phi_, phi_.width());
  add_tile(*grad_, phi_, phi_.width());  // dphi, placed by gradient()
  grad_->add(static_cast<int32_t>(sums != nullptr));
  grad_values_at_ = map_.add_inputs(*grad_, true, key_head, stabiliser(task), sites(), bare_);
  dx_at_ = add_tile(*grad_, dx_, dx_.width());
  if (!sums && !unwanted_.defined()) unwanted_ = at::zeros({map_.sum_size()}, at::kFloat);
  map_.add_sums(*grad_, sums ? sums : unwanted_.data_ptr<float>());
}

void FeatureTiles::point_values(TileCall& call, int at) const {
  if (at < 0) return;
  const at::Tensor& values = map_.token_values();
  call.point(at, values.const_data_ptr<float>() + first_ * values.size(1), padded_);
}

bool FeatureTiles::compute(int64_t n, int64_t tokens) {
  if (n == first_ && tokens == tokens_) return false;
  padded_ = padded_tokens(tokens);
  const float* weight = weights_.of(task_, n, tokens);
  x_rows_ = rows_.rows(task_.b, task_.h, n, tokens, weight, weights_.are_one(), 0.0f, x_);
  if (map_.located()) map_.locate(x_rows_, sites());
  features_->point(kX, x_rows_.data, padded_, x_rows_.stride1);
  features_->point(kWeight, weight, padded_);
  features_->point(phi_at_, phi_.data(), padded_);
  if (map_.reports_largest()) features_->point(largest_at_, largest_.data(), padded_);
  first_ = n;
  tokens_ = tokens;
  point_values(*features_, values_at_);
  features_->run();
  if (bare_) add_epsilon();
  return true;
}

void FeatureTiles::add_epsilon() {
  const int64_t real = map_.layout().m;
  const float of_map = map_.epsilon();
  for (int64_t n = 0; n < padded_; n++) {
    const float epsilon = of_map * weights_.data()[n];
    const float* from = phi_.row(n);
    float* to = shifted_.row(n);
    for (int64_t k = 0; k < real; k++) to[k] = from[k] + epsilon;
    std::copy(from + real, from + phi_.width(), to + real);
  }
}

void FeatureTiles::gradient(const Tile& dphi, const TokenRows& dx) {
  const Matrix out = dx.target(task_.b, task_.h, first_, tokens_, /*weight=*/nullptr, dx_);
  if (map_.located()) map_.site_gradient(sites(), dphi.matrix(padded_), weights_.data(), sums_);
  grad_->point(kX, x_rows_.data, padded_, x_rows_.stride1);
  grad_->point(kWeight, weights_.data(), padded_);
  grad_->point(kPhi, phi_.data(), padded_);
  grad_->point(kDphi, dphi.data(), padded_);
  grad_->point(dx_at_, out.data, padded_, out.stride1);
  point_values(*grad_, grad_values_at_);
  grad_->run();
  if (dx.defined()) dx.store_target(task_.b, task_.h, first_, tokens_, out, nullptr);
}

}  // namespace luna::kernels
