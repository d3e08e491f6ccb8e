#include "runtime/kernels/cpu/segment_strip.h"

#include <algorithm>

#include "generators/common/tiles.h"
#include "runtime/kernels/cpu/locate.h"
#include "runtime/kernels/cpu/slope_dot.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels {
namespace {

using tiles::kStripPitch;

/// Name suffix of the pipelines that are built for rows of that width, or for any.
std::string built_for(int64_t width) {
  return width == 32 || width == 64 ? std::to_string(width) : "0";
}

int64_t padded_projections(const SegmentMap& map) {
  return tiles::round_up(map.m(), tiles::kTableProjections);
}

void add_rows(TileCall& call, const StripRows& rows, int64_t tokens) {
  call.add(rows.data, {{rows.width, 1}, {tokens, rows.row}});
}

void add_scalars(TileCall& call, const StripScalars& scalars, int64_t tokens) {
  call.add(scalars.data, {{tokens, scalars.stride}});
}

void add_matrix(TileCall& call, const at::Tensor& t) {
  call.add(t.const_data_ptr<float>(), {{t.size(1), 1}, {t.size(0), t.size(1)}});
}

/// (c, row, l): the map's own coefficients, of all rows or of the segments alone.
void add_coefficients(TileCall& call, const SegmentMap& map, int64_t rows) {
  const at::Tensor& all = map.coefficients();
  call.add(all.const_data_ptr<float>(), {{2, 1}, {rows, 2}, {map.L(), all.stride(0)}});
}

void add_state(TileCall& call, const SegmentMap& map, int64_t width, const float* S,
               const float* z) {
  call.add(S, {{width, 1}, {map.L(), width}, {map.m(), map.L() * width}});
  call.add(z, {{map.L(), 1}, {map.m(), map.L()}});
}

}  // namespace

SegmentTable::SegmentTable(const SegmentMap& map, int64_t dv)
    : SegmentTable(map, dv, at::empty({floats(map, dv)}, at::kFloat)) {
  clear_padding();
}

SegmentTable::SegmentTable(const SegmentMap& map, int64_t dv, at::Tensor memory)
    : m_(map.m()),
      rows_(map.segments() + 1),
      dv_(dv),
      width_(tiles::round_up(dv, tiles::kLanes)),
      projections_(padded_projections(map)),
      memory_(std::move(memory)),
      data_(memory_.mutable_data_ptr<float>()),
      normaliser_(data_ + projections_ * rows_ * 2 * width_) {}

int64_t SegmentTable::floats(const SegmentMap& map, int64_t dv) {
  const int64_t width = tiles::round_up(dv, tiles::kLanes);
  return tiles::round_up(padded_projections(map) * (map.segments() + 1) * 2 * (width + 1),
                         tiles::kLanes);
}

void SegmentTable::clear_padding() {
  for (int64_t i = 0; i < projections_; i++) {
    const int64_t first = i < m_ ? rows_ - 1 : 0, count = 2 * (rows_ - first);
    std::fill_n(row(i, first), count * width_, 0.0f);
    std::fill_n(normaliser_of(i, first), count, 0.0f);
  }
}

void SegmentTable::add(TileCall& call, int64_t columns, int64_t segments, int64_t first,
                       int64_t projections) const {
  call.add(row(first, 0),
           {{columns, 1}, {2, width_}, {segments, 2 * width_}, {projections, 2 * width_ * rows_}});
  call.add(normaliser_of(first, 0), {{2, 1}, {segments, 2}, {projections, 2 * rows_}});
}

void SegmentTable::add_to(TileCall& call, bool padded, int64_t segments) const {
  add(call, padded ? width_ : dv_, segments, 0, m_);
}

void SegmentTable::add_whole_to(TileCall& call, bool padded) const {
  add(call, padded ? width_ : dv_, rows_, 0, projections_);
}

void SegmentTable::add_projections_to(TileCall& call, int64_t first, int64_t count) const {
  add(call, dv_, rows_, first, count);
}

Strip::Strip(const SegmentMap& map, int64_t dv)
    : map_(map), by_d_(built_for(map.d())), by_dv_(built_for(dv)) {
  const int64_t sites = map.projections() * kStripPitch;
  memory_ = at::zeros({2 * (sites + kStripPitch)}, at::kFloat);
  rows_ = at::empty({sites}, at::kInt);
  t_ = memory_.data_ptr<float>();
  dt_ = t_ + sites;
  scale_ = dt_ + sites;
  last_ = scale_ + kStripPitch;
  row_ = rows_.data_ptr<int32_t>();
}

void Strip::add_sites(TileCall& call) const {
  call.add(t_, {{tokens_, 1}, {map_.projections(), kStripPitch}});
  call.add(row_, {{tokens_, 1}, {map_.projections(), kStripPitch}});
}

void Strip::locate(const StripRows& x, const StripScalars& weight, int64_t tokens) {
  tokens_ = tokens;
  if (!map_.levels().empty()) {
    kernels::locate({x.data, x.width, x.row, tokens, map_.proj().const_data_ptr<float>(),
                     map_.bias().const_data_ptr<float>(), map_.projections(), map_.levels().get(),
                     map_.base().const_data_ptr<float>(), map_.origin(), t_, row_, kStripPitch});
    if (weight.stride != 0) drop_masked(weight);
    return;
  }
  TileCall call("segment_sites");
  add_rows(call, x, tokens);
  add_scalars(call, weight, tokens);
  add_matrix(call, map_.proj());
  call.add(map_.bias().const_data_ptr<float>(), {{map_.projections(), 1}});
  add_matrix(call, map_.search());
  call.add(map_.base().const_data_ptr<float>(), {{map_.segments() + 1, 1}});
  call.add(static_cast<int32_t>(map_.segments()));
  add_sites(call);
  call.run();
}

void Strip::drop_masked(const StripScalars& weight) {
  for (int64_t n = 0; n < tokens_; n++) {
    if (weight.data[n * weight.stride] != 0.0f) continue;
    for (int64_t i = 0; i < map_.projections(); i++) {
      t_[i * kStripPitch + n] = 0.0f;
      row_[i * kStripPitch + n] = static_cast<int32_t>(map_.segments());
    }
  }
}

void Strip::add_sums(const Columns& columns, const SegmentTable& sums, CrowdedRows& crowded) {
  crowded.find(row_, tokens_);
  for (int64_t i = 0, end = 0; i < sums.projections(); i = end) {
    end = i + 1;
    if (!crowded.any_of(i)) {
      while (end < sums.projections() && !crowded.any_of(end)) end++;
      add_part(columns, sums, i, end - i, 0, tokens_);
      continue;
    }
    for (int64_t n = 0; n < tokens_; n += CrowdedRows::kTokens) {
      add_part(columns, sums, i, 1, n, std::min(CrowdedRows::kTokens, tokens_ - n));
      crowded.move(i, sums);
    }
  }
}

void Strip::add_part(const Columns& columns, const SegmentTable& sums, int64_t first_projection,
                     int64_t projections, int64_t first, int64_t tokens) const {
  const auto of_tokens = [&](const StripScalars& s) {
    return StripScalars{s.data + first * s.stride, s.stride};
  };
  const StripRows& rows = columns.rows;
  const int64_t site = first_projection * kStripPitch + first;
  TileCall call("segment_sums_" + by_dv_);
  call.add(t_ + site, {{tokens, 1}, {projections, kStripPitch}});
  call.add(row_ + site, {{tokens, 1}, {projections, kStripPitch}});
  add_rows(call, {rows.data + first * rows.row, rows.width, rows.row}, tokens);
  add_scalars(call, of_tokens(columns.scale), tokens);
  add_scalars(call, of_tokens(columns.last), tokens);
  sums.add_projections_to(call, first_projection, projections);
  call.run();
}

void Strip::product(const StripScalars& weight, const SegmentTable& table, const Denominator& rule,
                    const StripRows& out, const StripScalars& den) {
  TileCall sum("segment_product_" + by_dv_);
  add_sites(sum);
  table.add_whole_to(sum, false);
  add_rows(sum, out, tokens_);
  add_scalars(sum, den, tokens_);
  sum.run();
  TileCall normalise("segment_normalise");
  add_scalars(normalise, weight, tokens_);
  normalise.add(rule.add);
  normalise.add(finite_floor(rule.clamp));
  add_rows(normalise, out, tokens_);
  add_scalars(normalise, den, tokens_);
  normalise.run();
}

void Strip::dot(const Columns& columns, const SegmentTable& table) {
  slope_dot({columns.rows.data, columns.rows.width, columns.rows.row, tokens_, columns.scale.data,
             columns.last.data, columns.scale.stride, columns.last.stride, row_, map_.m(),
             table.data(), table.normaliser(), table.width(), table.rows(), dt_,
             map_.projections()});
}

StripRows Strip::centered(const StripRows& v, const float* center) {
  if (!centered_.defined()) centered_ = at::empty({tiles::kStripTokens, v.width}, at::kFloat);
  const StripRows out{centered_.data_ptr<float>(), v.width, v.width};
  TileCall call("segment_center");
  add_rows(call, v, tokens_);
  call.add(center, {{v.width, 1}});
  add_rows(call, out, tokens_);
  call.run();
  return out;
}

void Strip::back(const StripRows& x, const StripScalars& weight, const StripRows& dx, float* dproj,
                 float* dbias) {
  TileCall call("segment_back_" + by_d_);
  call.add(dt_, {{map_.projections(), 1}, {tokens_, map_.projections()}});
  add_rows(call, x, tokens_);
  add_scalars(call, weight, tokens_);
  add_matrix(call, map_.proj_rows());
  add_rows(call, {dx.data, map_.d(), dx.row}, dx.data ? tokens_ : 0);
  const int64_t m = dproj ? map_.m() : 0;
  call.add(dproj, {{map_.d(), 1}, {m, map_.d()}});
  call.add(dbias, {{m, 1}});
  call.run();
}

Columns Strip::query_columns(const StripRows& grad, const StripRows& o, const StripScalars& den,
                             const StripScalars& weight, const float* center,
                             const Denominator& rule) {
  const StripScalars scale{scale_, 1}, last{last_, 1};
  TileCall call("segment_query_scales_" + by_dv_);
  add_rows(call, grad, tokens_);
  add_rows(call, o, tokens_);
  add_scalars(call, den, tokens_);
  add_scalars(call, weight, tokens_);
  call.add(center, {{grad.width, 1}});
  call.add(rule.add);
  call.add(finite_floor(rule.clamp));
  add_scalars(call, scale, tokens_);
  add_scalars(call, last, tokens_);
  call.run();
  return {grad, scale, last};
}

void fill_table(const SegmentMap& map, const float* S, const float* z, SegmentTable& table) {
  TileCall call("segment_table");
  add_coefficients(call, map, map.coefficients().size(1));
  add_state(call, map, table.width(), S, z);
  table.add_to(call, true, map.segments());
  call.run();
}

void state_of(const SegmentMap& map, const SegmentTable& sums, float* S, float* z) {
  TileCall call("segment_state");
  add_coefficients(call, map, map.segments());
  sums.add_whole_to(call, true);
  add_state(call, map, sums.width(), S, z);
  call.run();
}

void table_gradient(const SegmentMap& map, const float* S, const float* z, const SegmentTable& sums,
                    float* gradient) {
  TileCall call("segment_table_grad");
  add_state(call, map, sums.width(), S, z);
  sums.add_to(call, true, map.segments());
  call.add(gradient, {{2, 1}, {map.segments(), 2}, {map.L(), 2 * map.segments()}});
  call.run();
}

}  // namespace luna::kernels
