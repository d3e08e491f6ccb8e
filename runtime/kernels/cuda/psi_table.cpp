#include "runtime/kernels/cuda/psi_table.h"

#include <algorithm>

#include "runtime/kernels/cuda/kernel_call.h"

namespace luna::kernels::cuda {
namespace {

void add_units(KernelCall& call, const PsiUnits& units) {
  call.add(units.w1.flatten().contiguous());
  call.add(units.b1.flatten().contiguous());
  call.add(units.w2.contiguous());
  call.add(units.b2.contiguous());
  call.add(units.act.count);
  for (const double value : units.act.breaks) call.add(value);
  for (const double value : units.act.slope) call.add(value);
  for (const double value : units.act.offset) call.add(value);
}

}  // namespace

bool has_psi_table(const PsiUnits& units) {
  return units.w1.is_cuda() && units.w1.numel() > 0 && units.b2.numel() > 0 &&
         kDevice.find("psi_table_cuda", units.w1.device()) != nullptr;
}

PsiKnots psi_knots(const PsiUnits& units) {
  const auto options = units.w1.options();
  PsiKnots made{at::empty({units.knots()}, options),
                at::empty({units.knots()}, options.dtype(at::kInt))};
  KernelCall call(kDevice, "psi_knots", units.w1.device());
  add_units(call, units);
  call.add(made.knots);
  call.add(made.begins);
  call.run();
  return made;
}

at::Tensor psi_table(const PsiUnits& units, const PsiKnots& knots, const at::Tensor& scale,
                     double shift) {
  const at::Tensor table =
      at::empty({units.knots() + 1, 2, units.b2.numel()}, units.w1.options().dtype(at::kDouble));
  KernelCall call(kDevice, "psi_table", units.w1.device());
  add_units(call, units);
  call.add(knots.begins);
  call.add(scale.contiguous());
  call.add(table);
  call.add(shift);
  call.run();
  return table;
}

std::vector<at::Tensor> psi_gradient(const PsiUnits& units, const PsiKnots& knots,
                                     const std::vector<PsiTableSums>& tables) {
  const auto given = static_cast<int32_t>(tables.size());
  TORCH_INTERNAL_ASSERT(given >= 1 && given <= psi::kMostSides, given, " tables of psi");
  KernelCall call(kDevice, "psi_gradient", units.w1.device());
  add_units(call, units);
  call.add(knots.begins);
  for (int32_t k = 0; k < psi::kMostSides; ++k) {
    const PsiTableSums& side = tables[std::min(k, given - 1)];  // those beyond are not read
    call.add(side.g0.to(at::kDouble).contiguous());
    call.add(side.g1.to(at::kDouble).contiguous());
    call.add(side.scale.contiguous());
  }
  call.add(given);
  std::vector<at::Tensor> grads;
  for (const at::Tensor* x : {&units.w1, &units.b1, &units.w2, &units.b2}) {
    grads.push_back(at::empty(x->sizes(), x->options()));
    call.add(grads.back());
  }
  call.run();
  return grads;
}

}  // namespace luna::kernels::cuda
