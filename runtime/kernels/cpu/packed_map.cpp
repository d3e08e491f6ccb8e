#include "runtime/kernels/cpu/packed_map.h"

#include <algorithm>
#include <cmath>

#include "generators/common/tiles.h"
#include "runtime/kernels/cpu/locate.h"
#include "runtime/kernels/cpu/search_tree.h"
#include "runtime/kernels/cpu/site_gradient.h"
#include "runtime/kernels/cpu/transpose.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels {
namespace {

using tiles::round_up;

constexpr int kMaxSearchLevels = 3;  // the levels of the pipelines _big
/// Position of pwl's sums over segments, g0 and g1, among a map's: behind proj and bias.
constexpr size_t kSegmentSums = 2;

bool is_pwl(const std::string& map) { return map == "pwl"; }
bool is_dense(const std::string& map) { return map.rfind("dense_", 0) == 0; }
static_assert(tree_knots(kMaxSearchLevels) == kMaxKnots);

const float* floats(const at::Tensor& t) { return t.const_data_ptr<float>(); }

/// Matrix, or row, `head` of t [heads, ...].
float* matrix_of(const at::Tensor& t, int64_t head) {
  return t.data_ptr<float>() + head * t.stride(0);
}

/// Zeros of that shape, in memory that vectors may be loaded from.
at::Tensor zeros(at::IntArrayRef sizes) { return at::zeros(sizes, at::kFloat); }

}  // namespace

bool packs_alike(const MapArgs& a, const MapArgs& b) {
  return is_same(a, b) && a.scalars == b.scalars && a.stabilised_by == b.stabilised_by &&
         a.stabiliser.is_same(b.stabiliser);
}

PackedMap::PackedMap(const MapArgs& args, int64_t d) : args_(args), d_(d) {
  args_.packed = nullptr;  // which may hold this map
  padded_d_ = round_up(std::max<int64_t>(d, 1), tiles::kRowColumns);
  variant_ = args.map;
  if (is_pwl(args.map) || is_dense(args.map)) {
    tile_ = tiles::kChannels;
    groups_ = {args.L, tile_};
  }
  if (args.proj.defined()) {
    pack_projection(args.proj, args.bias);
  } else {
    const int64_t run = args.blocks ? args.block_features : d,
                  count = std::max<int64_t>(args.blocks, 1);
    const int64_t stride = round_up(std::max<int64_t>(run, 1), tiles::kRowColumns);
    layout_ = {count, run, stride, count * stride};
  }
  feature_mask_ = at::zeros({layout_.padded}, at::kInt);
  for (int64_t i = 0; i < layout_.m; i++) {
    std::fill_n(feature_mask_.data_ptr<int32_t>() + i * layout_.stride, layout_.L, -1);
  }
  if (is_pwl(args.map)) {
    pack_pwl();
  } else if (is_dense(args.map)) {
    pack_dense();
  }
  if (args.coordinates.defined()) {
    coordinates_ = at::constant_pad_nd(args.coordinates, {0, padded_d_ - d});
    add_sum(padded_d_, 0);
  }
  if (args.token_values.defined()) {  // a tile's last tokens may only pad
    token_values_ = at::constant_pad_nd(args.token_values, {0, 0, 0, tiles::kTokenBlock});
  }
}

void PackedMap::pack_projection(const at::Tensor& proj, const at::Tensor& bias) {
  m_ = proj.size(-2);
  const int64_t step = tiles::tile_projections(static_cast<int>(tile_)), used = m_ * groups_.count;
  projections_ = round_up(used, step);
  layout_ = {m_, args_.L, groups_.count * tile_, projections_ * tile_};
  proj_rows_ = zeros({heads(), projections_, padded_d_});
  bias_ = zeros({heads(), projections_});
  // locate() reads it with no pitch.
  const int64_t pitch = is_pwl(args_.map) ? projections_ : projections_ + tiles::kLanes;
  proj_ = zeros({heads(), padded_d_, pitch}).narrow(2, 0, projections_);
  const at::Tensor rows = proj.contiguous(), row = bias.contiguous();
  for (int64_t head = 0; head < heads(); head++) {
    float* const own = matrix_of(proj_rows_, head);
    for (int64_t k = 0; k < used; k++) {
      const int64_t from = head * m_ + k / groups_.count;
      std::copy_n(floats(rows) + from * d_, d_, own + k * padded_d_);
      matrix_of(bias_, head)[k] = floats(row)[from];
    }
    transpose({own, padded_d_, 1, projections_, padded_d_}, matrix_of(proj_, head), pitch);
  }
  const int64_t summed = mirrored() ? round_up(m_ / 2, tiles::kLanes) : projections_;
  add_sum(padded_d_, summed);
  add_sum(summed, 0);
}

void PackedMap::pack_pwl() {
  const int64_t knots = args_.knots.numel(), rows = knots + 1;
  plant_search();
  table_ = groups_.split_table(args_.table);
  first_ = at::zeros({projections_}, at::kInt);
  int32_t* first = first_.data_ptr<int32_t>();
  for (int64_t i = 0; i < m_ * groups_.count; i++) {
    first[i] = static_cast<int32_t>((i % groups_.count) * rows);
  }
  add_sum(tile_, groups_.count * rows);
  add_sum(tile_, groups_.count * rows);
}

void PackedMap::plant_search() {
  const at::Tensor sorted = args_.knots.contiguous();
  const float* first = sorted.const_data_ptr<float>();
  levels_ = SearchLevels({first, first + sorted.numel()});
  if (levels_.empty()) {
    const bool big = sorted.numel() > tree_knots(2);
    search_ = search_tree(sorted, big ? kMaxSearchLevels : 2);
    if (big) variant_ += "_big";
    return;
  }
  variant_ += "_located";
}

void PackedMap::site_gradient(const Sites& sites, const Matrix& dphi, const float* weight,
                              float* sums) const {
  const auto sum = [&](size_t k) { return sums ? sums + sums_[k].offset : nullptr; };
  kernels::site_gradient({dphi.data, dphi.stride1, weight, dphi.extent1, projections_, sites.t,
                          sites.segment, sites.pitch, first_.const_data_ptr<int32_t>(),
                          static_cast<int32_t>(args_.knots.numel()), floats(table_),
                          finite_floor(args_.floor), sites.dt, sites.dt_pitch, sum(kSegmentSums),
                          sum(kSegmentSums + 1)});
}

float PackedMap::epsilon() const {
  return args_.map == "performer" ? std::get<float>(args_.scalars[kPerformerEpsilon]) : 0.0f;
}

void PackedMap::locate(const Matrix& x, const Sites& sites) const {
  kernels::locate({x.data, d_, x.stride1, x.extent1, floats(proj_), floats(bias_), projections_,
                   levels_.get(), nullptr, 0.0f, sites.t, sites.segment, sites.pitch});
}

void PackedMap::pack_dense() {
  const int64_t hid = args_.w1.numel(), padded = round_up(std::max<int64_t>(hid, 1), tiles::kLanes);
  const int64_t channels = groups_.count * tile_;
  w1_ = zeros({padded});
  b1_ = zeros({padded});
  w1_.narrow(0, 0, hid).copy_(args_.w1);
  b1_.narrow(0, 0, hid).copy_(args_.b1);
  w2_rows_ = zeros({channels, padded});
  w2_rows_.narrow(0, 0, args_.L).narrow(1, 0, hid).copy_(args_.w2);
  w2_ = w2_rows_.t().contiguous();
  b2_ = zeros({channels});
  b2_.narrow(0, 0, args_.L).copy_(args_.b2);
  first_ = at::zeros({projections_}, at::kInt);
  int32_t* first = first_.data_ptr<int32_t>();
  for (int64_t i = 0; i < m_ * groups_.count; i++) {
    first[i] = static_cast<int32_t>((i % groups_.count) * tile_);
  }
  add_sum(padded, 0);
  add_sum(padded, 0);
  add_sum(padded, channels);
  add_sum(channels, 0);
}

void PackedMap::add_sum(int64_t inner, int64_t outer) {
  sums_.push_back({inner, outer, sum_size_});
  // Every sum starts on a vector boundary.
  sum_size_ += round_up(inner * std::max<int64_t>(outer, 1), tiles::kLanes);
}

int PackedMap::add_inputs(TileCall& call, bool with_gradient, int64_t head, float stabiliser,
                          const Sites& sites, bool bare) const {
  const auto matrix = [&](const at::Tensor& t) {
    call.add(floats(t), {{t.size(-1), 1}, {t.numel() / t.size(-1), t.stride(-2)}});
  };
  const auto vector = [&](const at::Tensor& t) { call.add(floats(t), {{t.numel(), 1}}); };
  const int64_t own = heads() > 1 ? head : 0;
  const auto own_matrix = [&](const at::Tensor& t) {
    call.add(matrix_of(t, own), {{t.size(2), 1}, {t.size(1), t.stride(1)}});
  };
  int of_tokens = -1;
  if (located()) {
    call.add(sites.t, {{sites.pitch, 1}, {projections_, sites.pitch}});
    call.add(sites.segment, {{sites.pitch, 1}, {projections_, sites.pitch}});
  } else if (args_.proj.defined()) {
    own_matrix(proj_);
    call.add(matrix_of(bias_, own), {{projections_, 1}});
  }
  if (is_pwl(args_.map)) {
    call.add(first_.const_data_ptr<int32_t>(), {{projections_, 1}});
    if (!located()) matrix(search_);
    call.add(floats(table_), {{2 * tile_, 1}, {table_.numel() / (2 * tile_), 2 * tile_}});
    call.add(static_cast<int32_t>(args_.knots.numel() + 1));
    call.add(finite_floor(args_.floor));
  } else if (is_dense(args_.map)) {
    call.add(first_.const_data_ptr<int32_t>(), {{projections_, 1}});
    vector(w1_);
    vector(b1_);
    matrix(w2_);
    vector(b2_);
    call.add(finite_floor(args_.floor));
  }
  if (coordinates_.defined()) vector(coordinates_);
  if (token_values_.defined()) {
    const int64_t width = token_values_.size(1);
    of_tokens = static_cast<int>(call.add(floats(token_values_), {{width, 1}, {0, width}}));
  }
  for (size_t k = 0; k < args_.scalars.size(); k++) {
    if (bare && k == kPerformerEpsilon) {
      call.add(0.0f);
      continue;
    }
    std::visit([&](auto value) { call.add(value); }, args_.scalars[k]);
  }
  // -inf: no key is kept, and their features only have to be finite.
  if (args_.stabilised_by != Stabiliser::absent)
    call.add(std::isinf(stabiliser) && stabiliser < 0 ? 0.0f : stabiliser);
  if (with_gradient && args_.proj.defined()) {
    own_matrix(proj_rows_);
    if (is_dense(args_.map)) matrix(w2_rows_);
    if (located()) {
      call.add(sites.dt,
               {{round_up(projections_, tiles::kLanes), 1}, {sites.pitch, sites.dt_pitch}});
    }
  }
  return of_tokens;
}

void PackedMap::add_sums(TileCall& call, float* data) const {
  const size_t count = located() ? kSegmentSums : sums_.size();
  for (size_t k = 0; k < count; k++) {
    const Sum& sum = sums_[k];
    if (sum.outer) {
      call.add(data + sum.offset, {{sum.inner, 1}, {sum.outer, sum.inner}});
    } else {
      call.add(data + sum.offset, {{sum.inner, 1}});
    }
  }
}

MapGrads PackedMap::unpack(const at::Tensor& sums) const {
  MapGrads grads;
  if (args_.coordinates.defined()) grads.coordinates = unpack_sum(sums, 0, d_);
  if (!args_.proj.defined()) return grads;
  const int64_t own = mirrored() ? m_ / 2 : m_, count = groups_.count;
  grads.proj = zeros(args_.proj.sizes());
  grads.bias = zeros(args_.bias.sizes());
  const auto over_groups = [count](const double* of_group, int64_t pitch) {
    double total = 0.0;
    for (int64_t g = 0; g < count; g++) total += of_group[g * pitch];
    return static_cast<float>(total);
  };
  for (int64_t head = 0; head < heads(); head++) {
    const double *proj = sum_of(sums, head, 0), *bias = sum_of(sums, head, 1);
    for (int64_t i = 0; i < own; i++) {
      const int64_t row = head * m_ + i, from = i * count;
      float* const to = grads.proj.data_ptr<float>() + row * d_;
      for (int64_t j = 0; j < d_; j++) to[j] = over_groups(proj + from * padded_d_ + j, padded_d_);
      grads.bias.data_ptr<float>()[row] = over_groups(bias + from, 1);
    }
  }
  unpack_psi(sums, grads);
  return grads;
}

void PackedMap::unpack_psi(const at::Tensor& sums, MapGrads& grads) const {
  if (is_pwl(args_.map)) {
    grads.g0 = unpack_segments(sums, kSegmentSums);
    grads.g1 = unpack_segments(sums, kSegmentSums + 1);
  } else if (is_dense(args_.map)) {
    const int64_t hid = args_.w1.numel(), L = args_.L;
    grads.w1 = unpack_sum(sums, 2, hid);
    grads.b1 = unpack_sum(sums, 3, hid);
    grads.w2 = at::empty({L, hid}, at::kFloat);
    for (int64_t l = 0; l < L; l++) {
      std::copy_n(sum_of(sums, 0, 4) + l * sums_[4].inner, hid,
                  grads.w2.data_ptr<float>() + l * hid);
    }
    grads.b2 = unpack_sum(sums, 5, L);
  }
}

at::Tensor PackedMap::unpack_sum(const at::Tensor& sums, size_t k, int64_t size) const {
  const at::Tensor result = at::empty({size}, at::kFloat);
  std::copy_n(sum_of(sums, 0, k), size, result.data_ptr<float>());
  return result;
}

at::Tensor PackedMap::unpack_segments(const at::Tensor& sums, size_t k) const {
  const int64_t segments = args_.knots.numel() + 1, L = args_.L;
  const at::Tensor result = at::empty({segments, L}, at::kDouble);
  for (int64_t first = 0; first < L; first += tile_) {
    const double* const group = sum_of(sums, 0, k) + first / tile_ * segments * tile_;
    for (int64_t s = 0; s < segments; s++) {
      std::copy_n(group + s * tile_, std::min(tile_, L - first),
                  result.data_ptr<double>() + s * L + first);
    }
  }
  return result;
}

std::shared_ptr<const PackedMap> PackedCache::get(const MapArgs& args, int64_t d) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!map_ || map_->d() != d || !packs_alike(map_->args(), args)) {
    map_ = std::make_shared<const PackedMap>(args, d);
  }
  return map_;
}

std::shared_ptr<const SegmentMap> PackedCache::segments(const MapArgs& args) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!segments_of_ || !is_same(*segments_of_, args)) {
    segments_ = SegmentMap::of(args);
    segments_of_ = args;
    segments_of_->packed = nullptr;  // this
  }
  return segments_;
}

std::shared_ptr<PackedCache> make_packed_cache() { return std::make_shared<PackedCache>(); }

const PackedMap& PackedSides::packed(std::shared_ptr<const PackedMap>& own,
                                     const MapArgs& args) const {
  if (!own) {
    own = args.packed ? args.packed->get(args, d_) : std::make_shared<const PackedMap>(args, d_);
  }
  return *own;
}

}  // namespace luna::kernels
