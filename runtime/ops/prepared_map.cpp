#include "runtime/ops/prepared_map.h"

#include <algorithm>
#include <cstring>
#include <list>
#include <mutex>

namespace luna::ops {
namespace {

/// Maps kept: the layers of a model.
constexpr size_t kKept = 64;

struct Kept {
  Spec spec;
  std::vector<at::Tensor> params;  // copies
  std::vector<const void*> from;   // where the parameters lay
  std::shared_ptr<const PreparedMap> map;
};

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0;
}

/// The last used first. Never destroyed: torch's allocator may end before it.
std::list<Kept>& kept() {
  static auto* const maps = new std::list<Kept>;
  return *maps;
}

std::mutex& guard() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace

PreparedMap::PreparedMap(const char* op, const std::vector<at::Tensor>& given, const Spec& spec) {
  for (const at::Tensor& param : given) params.push_back(param.to(at::kFloat));
  if (spec.learned()) {
    luna = std::make_shared<LunaMap>(params, spec);
    return;
  }
  fixed = find_fixed_map(spec.feature_map);
  if (!fixed->table) return;
  MapContext context;
  context.params = params;
  context.table = table = fixed->table(op, params);
  folded = fixed->fold(0, context);
  folded.packed = kernels::make_packed_cache();
}

std::shared_ptr<const PreparedMap> kept_map(const char* op, const std::vector<at::Tensor>& params,
                                            const Spec& spec) {
  const bool folds = spec.learned() || find_fixed_map(spec.feature_map)->table;
  if (!folds || !params[0].is_cpu()) return std::make_shared<PreparedMap>(op, params, spec);
  std::vector<at::Tensor> dense;
  for (const at::Tensor& param : params) dense.push_back(param.detach().contiguous());
  const auto is_it = [&](const Kept& entry) {
    return entry.spec == spec && std::equal(dense.begin(), dense.end(), entry.params.begin(),
                                            entry.params.end(), same_bits);
  };
  {
    const std::lock_guard<std::mutex> lock(guard());
    const auto found = std::find_if(kept().begin(), kept().end(), is_it);
    if (found != kept().end()) {
      kept().splice(kept().begin(), kept(), found);
      return found->map;
    }
  }
  std::vector<const void*> from;
  for (at::Tensor& param : dense) {
    from.push_back(param.const_data_ptr());
    param = param.clone();
  }
  const auto map = std::make_shared<const PreparedMap>(op, dense, spec);
  const std::lock_guard<std::mutex> lock(guard());
  // Training changes parameters where they lie: the last two maps of a place are kept, so that new
  // ones are made in memory that is still near (N 64: a tenth of a step).
  int former = 0;
  kept().remove_if(
      [&](const Kept& entry) { return entry.spec == spec && entry.from == from && ++former > 1; });
  kept().push_front({spec, dense, from, map});
  if (kept().size() > kKept) kept().pop_back();
  return map;
}

}  // namespace luna::ops
