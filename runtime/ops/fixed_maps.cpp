#include "runtime/ops/fixed_maps.h"

#include <algorithm>
#include <charconv>

#include "runtime/ops/maps/maps.h"
#include "runtime/ops/quoted.h"

namespace luna::ops {
namespace {

const FixedMap* find_row(const std::string& name) {
  const auto& maps = fixed_maps();
  const auto found =
      std::find_if(maps.begin(), maps.end(), [&](const FixedMap& map) { return name == map.name; });
  return found == maps.end() ? nullptr : &*found;
}

/// The option of a name's part behind the colon; none where it is not accepted.
std::optional<int64_t> read_option(const MapOption& option, const std::string& text) {
  if (option.number) {
    int64_t number = 0;
    const auto error = std::from_chars(text.data(), text.data() + text.size(), number).ec;
    const bool accepted = error == std::errc() && std::to_string(number) == text && number >= 1 &&
                          number <= option.largest;
    return accepted ? std::optional<int64_t>(number) : std::nullopt;
  }
  for (size_t i = 0; i < option.words.size(); ++i) {
    if (!text.empty() && text == option.words[i]) return static_cast<int64_t>(i);
  }
  return std::nullopt;
}

std::string unknown_name(const std::string& name, const std::string& others) {
  std::string known = others;
  for (const char* each : fixed_map_names())
    known += (known.empty() ? "" : ", ") + std::string(each);
  return c10::str("unknown feature_map ", quoted(name), "; known: ", known);
}

std::string unknown_option(const FixedMap& map, const std::string& name) {
  const std::string range =
      map.option.number ? c10::str(" with a whole number from 1 to ", map.option.largest) : "";
  return c10::str("unknown option in feature_map ", quoted(name),
                  "; accepted: ", accepted_names(map), range);
}

}  // namespace

const std::vector<FixedMap>& fixed_maps() {
  static const std::vector<FixedMap> maps = {
      elementwise_map(
          "elu", "phi(x) = elu(x) + 1", "Katharopoulos 2020, eq. 7",
          [](const at::Tensor& x) { return at::where(x > 0, x + 1, x.clamp_max(0).exp()); }),
      elementwise_map("relu", "phi(x) = max(x, 0)", "Choromanski 2021, without their 1e-3",
                      [](const at::Tensor& x) { return x.relu(); }),
      elementwise_map("relu2", "phi(x) = max(x, 0)^2", "squared ReLU",
                      [](const at::Tensor& x) { return x.relu().square(); }),
      elementwise_map("identity", "phi(x) = x", "the control without a map",
                      [](const at::Tensor& x) { return x; }),
      performer_map(),
      rff_map(),
      rfa_map(),
      cosformer_map(),
      dpfp_map(),
      taylor2_map(),
      t2r_map(),
      hedgehog_map(),
      polaformer_map(),
      luna_deep_map(),
      luna_spline_map(),
  };
  return maps;
}

std::vector<const char*> fixed_map_names() {
  std::vector<const char*> names;
  for (const FixedMap& map : fixed_maps()) names.push_back(map.name);
  return names;
}

std::vector<std::string> fixed_map_variants() {
  std::vector<std::string> names;
  for (const FixedMap& map : fixed_maps()) {
    names.push_back(map.name);
    for (size_t i = 1; i < map.option.words.size(); ++i) {
      names.push_back(c10::str(map.name, ":", map.option.words[i]));
    }
    if (map.option.number) names.push_back(c10::str(map.name, ":", map.option.example));
  }
  return names;
}

NamedMap find_fixed_map(const std::string& name, std::string* why, const std::string& others) {
  const size_t colon = name.find(':');
  const FixedMap* map = find_row(name.substr(0, colon));
  if (!map) {
    if (why) *why = unknown_name(name, others);
    return {};
  }
  if (colon == std::string::npos) return {map, map->option.unset};
  const std::optional<int64_t> option = read_option(map->option, name.substr(colon + 1));
  if (option) return {map, *option};
  if (why) *why = unknown_option(*map, name);
  return {};
}

bool by_polarity(const Spec& spec) {
  return !spec.learned() && find_fixed_map(spec.feature_map)->columns == ValueColumns::by_polarity;
}

at::Tensor map_features(const NamedMap& map, const at::Tensor& x, const MapContext& context) {
  return map->elementwise() ? map->phi(x) : map->map(x, context);
}

bool has_channels(const NamedMap& map) {
  const std::vector<MapParam> rows = map.params();
  return std::any_of(rows.begin(), rows.end(), [](const MapParam& param) {
    return std::string(param.letters).find('L') != std::string::npos;
  });
}

c10::SymInt feature_count(const NamedMap& map, const c10::SymInt& d,
                          const std::vector<at::Tensor>& params) {
  c10::SymInt m = 0, L = 1;
  const std::vector<MapParam> rows = map.params();
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string letters = rows[i].letters;
    for (size_t at = 0; at < letters.size(); ++at) {
      if (letters[at] != 'm' && letters[at] != 'L') continue;
      const auto from_end = static_cast<int64_t>(at - letters.size());
      (letters[at] == 'm' ? m : L) = params[i].sym_size(from_end);
    }
  }
  return map->count(d, m, map.option) * L;
}

std::vector<at::Tensor> draw_feature_map(const std::string& name, int64_t m, int64_t d,
                                         std::optional<at::Generator> generator) {
  std::string why;
  const NamedMap map = find_fixed_map(name, &why);
  TORCH_CHECK_VALUE(map, "draw_feature_map: ", why, ".");
  TORCH_CHECK_VALUE(m > 0 && d > 0, "draw_feature_map: m and d must be > 0, got ", m, " and ", d,
                    ".");
  return map->draw ? map->draw(m, d, map.option, generator) : std::vector<at::Tensor>{};
}

std::vector<std::string> shapes(const MapParam& param) {
  const std::string letters = param.letters;
  if (param.heads == ParamHeads::shared) return {letters};
  return {letters, "h" + letters};
}

std::string letter_text(char letter) {
  if (letter == 'h') return "Hk";
  return (letter >= '0' && letter <= '9' ? "hid" : "") + std::string(1, letter);
}

const char* kind_text(ParamKind kind) {
  return kind == ParamKind::trained ? "trained" : kind == ParamKind::drawn ? "drawn" : "given";
}

std::string shape_text(const std::vector<std::string>& shapes) {
  std::string text;
  for (const std::string& shape : shapes) {
    text += text.empty() ? "[" : " or [";
    for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + letter_text(shape[i]);
    text += "]";
  }
  return text;
}

std::string accepted_names(const FixedMap& map) {
  std::string names = map.name;
  for (const char* word : map.option.words) {
    if (*word) names += c10::str(", ", map.name, ":", word);
  }
  if (map.option.number) names += c10::str(", ", map.name, ":<", map.option.number, ">");
  return names;
}

}  // namespace luna::ops
