#include "runtime/kernels/cuda/psi_table.h"

#include "generators/psi/arguments.h"
#include "runtime/kernels/cuda/kernel_call.h"

namespace luna::kernels::cuda {
namespace {

KernelCall call_of(const std::string& pass, const PsiUnits& units) {
  return KernelCall(kDevice, pass, units.w1);
}

void add_units(KernelCall& call, const PsiUnits& units) {
  call.add(units.w1.flatten().contiguous());
  call.add(units.b1.flatten().contiguous());
  call.add(units.w2.contiguous());
  call.add(units.b2.contiguous());
}

}  // namespace

bool has_psi_table(const PsiUnits& units) {
  const int64_t count = units.w1.numel();
  return units.w1.is_cuda() && count > 0 && units.b2.numel() > 0 && count <= psi::kMostTableUnits &&
         kDevice.find("psi_table_cuda", units.w1.device()) != nullptr;
}

PsiTable psi_table(const PsiUnits& units, double scale, double shift) {
  const int64_t count = units.w1.numel(), L = units.b2.numel();
  const auto options = units.w1.options();
  PsiTable made{at::empty({count}, options),
                at::empty({count + 1, 2, L}, options.dtype(at::kDouble))};
  KernelCall call = call_of("psi_table", units);
  add_units(call, units);
  call.add(scale);
  call.add(shift);
  call.add(made.knots);
  call.add(made.table);
  call.run();
  return made;
}

std::vector<at::Tensor> psi_gradient(const PsiUnits& units, const PsiTableSums& queries,
                                     const PsiTableSums& keys) {
  KernelCall call = call_of("psi_gradient", units);
  add_units(call, units);
  for (const PsiTableSums* side : {&queries, &keys}) {
    call.add(side->g0.to(at::kDouble).contiguous());
    call.add(side->g1.to(at::kDouble).contiguous());
    call.add(side->scale);
  }
  std::vector<at::Tensor> grads;
  for (const at::Tensor* x : {&units.w1, &units.b1, &units.w2, &units.b2}) {
    grads.push_back(at::empty(x->sizes(), x->options()));
    call.add(grads.back());
  }
  call.run();
  return grads;
}

}  // namespace luna::kernels::cuda
