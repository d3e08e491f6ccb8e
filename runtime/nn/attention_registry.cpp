// The attentions by name. A new attention is one file and one line here; a new fixed map needs
// none.
#include "runtime/nn/linear_attention.h"
#include "runtime/nn/plain_attention.h"
#include "runtime/ops/fixed_maps.h"

namespace luna::nn {
namespace {

constexpr double kFeatureEps = 1e-2;  // luna-eps

template <typename Module>
AttentionEntry plain(const char* name, const char* description) {
  return {name, description, [](const AttentionConfig&) { return std::make_shared<Module>(); }};
}

/// name: the map's, with or without an option.
AttentionEntry fixed(const std::string& name, const ops::FixedMap& map) {
  return {name, c10::str("linear attention, ", map.formula, " (", map.source, ")"),
          [name](const AttentionConfig& config) {
            return std::make_shared<FixedAttention>(name, config);
          }};
}

AttentionEntry luna(const char* name, const char* description, PsiKind kind, double feature_eps) {
  return {name, description, [kind, feature_eps](const AttentionConfig& config) {
            return std::make_shared<LunaAttention>(config, kind, feature_eps);
          }};
}

std::vector<AttentionEntry> all_attentions() {
  std::vector<AttentionEntry> all = {
      plain<SoftmaxAttention>("softmax", "softmax attention (torch's SDPA)")};
  for (const ops::FixedMap& map : ops::fixed_maps()) all.push_back(fixed(map.name, map));
  const std::vector<AttentionEntry> others = {
      luna("luna", "LUNA, shared psi, as the paper's Listing 1", PsiKind::shared, 0),
      luna("luna-eps", "LUNA with 1e-2 added to every psi: no zero denominators", PsiKind::shared,
           kFeatureEps),
      luna("luna-separate", "LUNA with one psi MLP a channel", PsiKind::separate, 0),
      plain<MeanAttention>("mean", "control: uniform attention"),
  };
  all.insert(all.end(), others.begin(), others.end());
  return all;
}

}  // namespace

const std::vector<AttentionEntry>& attention_registry() {
  static const std::vector<AttentionEntry> registry = all_attentions();
  return registry;
}

std::optional<AttentionEntry> find_attention(const std::string& name) {
  for (const AttentionEntry& entry : attention_registry()) {
    if (entry.name == name) return entry;
  }
  const ops::NamedMap map = ops::find_fixed_map(name);
  if (map) return fixed(name, *map.map);
  return std::nullopt;
}

}  // namespace luna::nn
