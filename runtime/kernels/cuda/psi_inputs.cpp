#include "runtime/kernels/cuda/psi_inputs.h"

#include <algorithm>
#include <limits>

#include "generators/common/tiles.h"
#include "runtime/kernels/layout.h"

namespace luna::kernels::cuda {

at::Tensor pad(const at::Tensor& x, int64_t dim, int64_t size) {
  if (x.size(dim) == size) {
    const at::Tensor own = x.contiguous();
    const bool aligned = reinterpret_cast<uintptr_t>(own.const_data_ptr()) % 16 == 0;
    return aligned ? own : own.clone();
  }
  std::vector<int64_t> widths(2 * (x.dim() - dim), 0);
  widths.back() = size - x.size(dim);
  return at::constant_pad_nd(x, widths);
}

PsiInputs::PsiInputs(const MapArgs& args, int64_t projections)
    : args_(args), groups_(args.L, kPsiChannels) {
  is_pwl(args.map) ? pack_pwl(projections) : pack_dense(projections);
}

at::Tensor PsiInputs::first_of_group(int64_t step, int64_t projections) const {
  const int64_t m = args_.proj.size(0);
  const auto options = args_.proj.options().dtype(at::kInt);
  if (groups_.count == 1) return at::zeros({projections}, options);
  const at::Tensor first = at::arange(groups_.count, options).mul_(step).repeat({m}).to(at::kInt);
  return pad(first, 0, projections);
}

void PsiInputs::pack_pwl(int64_t projections) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const int64_t knots = args_.knots.numel();
  while ((int64_t{1} << halvings_) <= knots) halvings_++;
  knots_ = at::constant_pad_nd(args_.knots, {0, (int64_t{1} << halvings_) - knots}, kInfinity);
  table_ = groups_.split_table(args_.table).view({-1, 2 * kPsiChannels});
  first_ = first_of_group(knots + 1, projections);
}

void PsiInputs::pack_dense(int64_t projections) {
  const int64_t hid = tiles::round_up(std::max<int64_t>(args_.w1.numel(), 1), tiles::kUnits);
  const int64_t L = groups_.count * kPsiChannels;
  w1_ = pad(args_.w1, 0, hid);
  b1_ = pad(args_.b1, 0, hid);
  w2_ = pad(pad(args_.w2, 0, L), 1, hid).t().contiguous();
  b2_ = pad(args_.b2, 0, L);
  first_ = first_of_group(kPsiChannels, projections);
}

void PsiInputs::add(KernelCall& call) const {
  call.add(first_);
  if (is_pwl(args_.map)) {
    call.add(knots_);
    call.add(static_cast<int32_t>(halvings_));
    call.add(table_);
    call.add(static_cast<int32_t>(args_.knots.numel() + 1));
  } else {
    for (const at::Tensor* t : {&w1_, &b1_, &w2_, &b2_}) call.add(*t);
  }
  call.add(finite_floor(args_.floor));
}

std::vector<int64_t> PsiInputs::sums_shape() const {
  if (is_pwl(args_.map)) {
    return {table_.size(0), 4 * kPsiChannels};
  }
  return {2 * kPsiChannels + 2, w1_.numel()};
}

void PsiInputs::unpack_sums(const at::Tensor& sums, MapGrads& grads) const {
  if (is_pwl(args_.map)) {
    const at::Tensor parts = sums.view({table_.size(0), -1, 2, kPsiChannels});
    const at::Tensor whole = parts.size(1) == 1 ? parts.select(1, 0) : parts.sum(1);
    grads.g0 = groups_.merge_segments(whole.select(1, 0));
    grads.g1 = groups_.merge_segments(whole.select(1, 1));
    return;
  }
  const at::Tensor units = sums.narrow(1, 0, args_.w1.numel()).to(at::kFloat);
  const auto add = [](at::Tensor& to, const at::Tensor& part) {
    to = to.defined() ? to + part : part;
  };
  const auto append = [](at::Tensor& to, const at::Tensor& part) {
    to = to.defined() ? at::cat({to, part}) : part;
  };
  append(grads.w2, units.narrow(0, 0, args_.L));
  add(grads.w1, units[kPsiChannels]);
  add(grads.b1, units[kPsiChannels + 1]);
  append(grads.b2, units.select(1, 0).narrow(0, kPsiChannels + 2, args_.L));
}

int64_t PsiInputs::parts(const MapArgs& args) {
  return is_dense(args.map) ? ChannelGroups(args.L, kPsiChannels).count : 1;
}

MapArgs PsiInputs::part(const MapArgs& args, int64_t k) {
  MapArgs part = args;
  if (!is_dense(args.map)) return part;
  const int64_t first = k * kPsiChannels;
  part.L = std::min(kPsiChannels, args.L - first);
  part.w2 = args.w2.narrow(0, first, part.L);
  part.b2 = args.b2.narrow(0, first, part.L);
  return part;
}

}  // namespace luna::kernels::cuda
