// The attentions by name. A new attention is one file and one line here.
#include <algorithm>

#include "runtime/nn/linear_attention.h"
#include "runtime/nn/plain_attention.h"

namespace luna::nn {
namespace {

constexpr double kFeatureEps = 1e-2;  // luna-eps

template <typename Module>
AttentionEntry plain(const char* name, const char* description) {
  return {name, description, [](const AttentionConfig&) { return std::make_shared<Module>(); }};
}

AttentionEntry fixed(const char* name, const char* description) {
  return {name, description, [name](const AttentionConfig& config) {
            return std::make_shared<FixedAttention>(name, config);
          }};
}

AttentionEntry luna(const char* name, const char* description, PsiKind kind, double feature_eps) {
  return {name, description, [kind, feature_eps](const AttentionConfig& config) {
            return std::make_shared<LunaAttention>(config, kind, feature_eps);
          }};
}

}  // namespace

const std::vector<AttentionEntry>& attention_registry() {
  static const std::vector<AttentionEntry> registry = {
      plain<SoftmaxAttention>("softmax", "softmax attention (torch's SDPA)"),
      fixed("elu", "linear attention, phi(x) = elu(x) + 1"),
      fixed("relu", "linear attention, phi(x) = max(x, 0)"),
      fixed("performer", "linear attention, FAVOR+ positive random features, W drawn once"),
      luna("luna", "LUNA, shared psi, as the paper's Listing 1", PsiKind::shared, 0),
      luna("luna-eps", "LUNA with 1e-2 added to every psi: no zero denominators", PsiKind::shared,
           kFeatureEps),
      luna("luna-separate", "LUNA with one psi MLP a channel", PsiKind::separate, 0),
      plain<MeanAttention>("mean", "control: uniform attention"),
  };
  return registry;
}

const AttentionEntry* find_attention(const std::string& name) {
  const auto& registry = attention_registry();
  const auto found = std::find_if(registry.begin(), registry.end(),
                                  [&](const AttentionEntry& entry) { return entry.name == name; });
  return found == registry.end() ? nullptr : &*found;
}

}  // namespace luna::nn
