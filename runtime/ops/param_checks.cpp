#include "runtime/ops/param_checks.h"

#include <map>

#include "runtime/kernels/kernels.h"
#include "runtime/ops/fixed_maps.h"
#include "runtime/psi/activation.h"
#include "runtime/psi/psi.h"

namespace luna::ops {
namespace {

void check_shape(const char* op, const char* name, const char* letters, const at::Tensor& x,
                 c10::SymIntArrayRef expected) {
  TORCH_CHECK_VALUE(x.sym_sizes() == expected, op, ": ", name, " must be ", letters, " = ",
                    expected, ", got ", x.sym_sizes(), ".");
}

void check_luna_params(const char* op, const Inputs& in) {
  const at::Tensor &proj = in.params[kProjWeight], &w1 = in.params[kW1], &w2 = in.params[kW2];
  const c10::SymInt d = in.q.sym_size(3);
  TORCH_CHECK_VALUE(proj.dim() == 2 && proj.sym_size(0) > 0 && proj.sym_size(1) == d, op,
                    ": proj_weight must be [m, d] with m > 0, d = ", d, ", got ", proj.sym_sizes(),
                    ".");
  check_shape(op, "proj_bias", "[m]", in.params[kProjBias], {proj.sym_size(0)});
  TORCH_CHECK_VALUE(w2.dim() == 2 && w2.sym_size(0) > 0, op,
                    ": w2 must be [L, hid] with L > 0, got ", w2.sym_sizes(), ".");
  const bool shared = w1.dim() == 1 && w1.sym_size(0) == w2.sym_size(1);
  TORCH_CHECK_VALUE(
      shared || w1.sym_sizes() == w2.sym_sizes(), op,
      ": w1 must be [hid] (shared psi) or [L, hid] (separate psi) as w2 = [L, hid] = ",
      w2.sym_sizes(), ", got ", w1.sym_sizes(), ".");
  check_shape(op, "b1", "as w1", in.params[kB1], w1.sym_sizes());
  check_shape(op, "b2", "[L]", in.params[kB2], {w2.sym_size(0)});
}

std::string listed(const std::vector<MapParam>& params) {
  std::string text;
  for (const MapParam& param : params) {
    text +=
        (text.empty() ? " (" : ", ") + std::string(param.name) + " " + shape_text(shapes(param));
  }
  return text.empty() ? "" : text + ")";
}

/// Sizes that letters stand for: d of q, h the key heads Hk, m whatever the first parameter says.
class Letters {
 public:
  explicit Letters(const Inputs& in) : sizes_{{'h', in.k.sym_size(1)}, {'d', in.q.sym_size(3)}} {}

  /// x has one of the parameter's shapes: the same form, shared or a head's own, as those before.
  void check(const char* op, const NamedMap& map, const MapParam& param, const at::Tensor& x) {
    std::vector<std::string> forms = shapes(param);
    if (form_ && forms.size() > 1) forms = {forms[*form_]};
    for (size_t i = 0; i < forms.size(); ++i) {
      if (!fits(forms[i], x)) continue;
      if (forms.size() > 1) form_ = i;
      return;
    }
    TORCH_CHECK_VALUE(false, op, ": ", map->name, "'s ", param.name, " must be ", shape_text(forms),
                      known(forms.back()), ", got ", x.sym_sizes(), ".");
  }

 private:
  bool fits(const std::string& letters, const at::Tensor& x) {
    if (x.dim() != static_cast<int64_t>(letters.size())) return false;
    auto sizes = sizes_;
    for (size_t i = 0; i < letters.size(); ++i) {
      const c10::SymInt size = x.sym_size(static_cast<int64_t>(i));
      if (!(size > 0 && sizes.emplace(letters[i], size).first->second == size)) return false;
    }
    sizes_ = sizes;
    return true;
  }

  /// " with Hk = 2, m > 0, d = 16".
  std::string known(const std::string& letters) const {
    std::string text;
    for (const char letter : letters) {
      const auto size = sizes_.find(letter);
      text += (text.empty() ? " with " : ", ") + letter_text(letter);
      text += size == sizes_.end() ? " > 0" : c10::str(" = ", size->second);
    }
    return text;
  }

  std::map<char, c10::SymInt> sizes_;
  std::optional<size_t> form_;
};

void check_fixed_params(const char* op, const Inputs& in, const NamedMap& map) {
  Letters letters(in);
  const std::vector<MapParam> rows = map.params();
  for (size_t i = 0; i < in.params.size(); ++i) {
    const MapParam& param = rows[i];
    letters.check(op, map, param, in.params[i]);
    TORCH_CHECK_VALUE(
        param.kind == ParamKind::trained || !in.params[i].requires_grad(), op, ": ", map->name,
        "'s ", param.name,
        param.kind == ParamKind::drawn ? " is a fixed draw and gets" : " are given and get",
        " no gradient; pass ", param.name, ".detach().");
  }
}

}  // namespace

void check_param_count(const char* op, const Inputs& in, const Spec& spec) {
  const NamedMap map = spec.learned() ? NamedMap{} : find_fixed_map(spec.feature_map);
  const std::vector<MapParam> rows = map ? map.params() : std::vector<MapParam>{};
  const size_t expected = map ? rows.size() : size_t{kLunaParams};
  TORCH_CHECK_VALUE(in.params.size() == expected, op, ": feature map \"", spec.feature_map,
                    "\" takes ", expected, " parameters", listed(rows), ", got ", in.params.size(),
                    ".");
}

void check_params(const char* op, const Inputs& in, const Spec& spec) {
  spec.learned() ? check_luna_params(op, in)
                 : check_fixed_params(op, in, find_fixed_map(spec.feature_map));
}

void check_psi_built(const char* op, const Inputs& in, const Spec& spec) {
  const bool dense = psi::has_dense(spec.activation);
  TORCH_CHECK_VALUE(spec.psi != "dense" || dense, op,
                    ": psi \"dense\" needs activation \"relu\", \"gelu\" or \"silu\", got \"",
                    spec.activation, "\"; use psi \"auto\" or \"pwl\".");
  const psi::PiecewiseLinear* lines = psi::piecewise_linear(spec.activation);
  if (spec.psi == "dense" || !lines || (spec.psi == "auto" && dense)) return;
  const int64_t most = kernels::kMaxKnots / lines->knots();
  const c10::SymInt units = in.params[kW1].sym_numel();
  TORCH_CHECK_VALUE(units <= most, op, ": w1 may hold at most ", most,
                    " hidden units of activation \"", spec.activation, "\" (", lines->knots(),
                    " of ", kernels::kMaxKnots, " knots each), got ", units,
                    dense ? "; use psi \"dense\" or \"auto\"."
                          : "; use fewer, or activation \"relu\" with psi \"auto\".");
}

const char* param_name(const Spec& spec, size_t i) {
  static constexpr const char* kNames[] = {"proj_weight", "proj_bias", "w1", "b1", "w2", "b2"};
  return spec.learned() ? kNames[i] : find_fixed_map(spec.feature_map).params()[i].name;
}

}  // namespace luna::ops
