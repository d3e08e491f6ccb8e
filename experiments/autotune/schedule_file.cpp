#include "experiments/autotune/schedule_file.h"

#include <fmt/format.h>

#include <cctype>

namespace luna::autotune {

using nlohmann::json;

std::string file_name(const std::string& device) {
  std::string name;
  for (const unsigned char c : device) {
    if (std::isalnum(c)) {
      name += static_cast<char>(std::tolower(c));
    } else if (!name.empty() && name.back() != '_') {
      name += '_';
    }
  }
  return name + ".json";
}

namespace {

/// The pipelines of an earlier run's file, each with its versions.
json pipelines_of(const json& file, const std::string& kind, const std::string& device) {
  json pipelines = json::object();
  if (!file.is_object() || file.value("kind", json()) != kind ||
      file.value("device", json()) != device || !file.contains("pipelines") ||
      !file["pipelines"].is_object()) {
    return pipelines;
  }
  for (const auto& [name, entry] : file["pipelines"].items()) {
    if (!entry.is_object()) continue;
    pipelines[name] = entry;
    if (entry.contains("parameters") && !entry.contains("versions")) {
      pipelines[name]["versions"] = file.value("versions", json());
    }
  }
  return pipelines;
}

json parameters_of(const Parameters& parameters) {
  json object;
  for (const auto& [name, value] : parameters) object[name] = value;
  return object;
}

json measured(const Tuned& one, const json& versions) {
  json entry = {{"parameters", parameters_of(one.chosen)}, {"versions", versions}};
  entry["seconds_before"] = one.seconds_before;
  entry["seconds_after"] = one.seconds_after;
  entry["time_of_default"] = one.verdict.ratio;
  entry["interval"] = {one.verdict.low, one.verdict.high};
  entry["rounds"] = one.verdict.rounds;
  return entry;
}

/// A pipeline's entry after that outcome; its buckets stay until they are measured again.
json updated(json entry, const Tuned& one, const json& versions) {
  const json chosen = parameters_of(one.chosen), usual = parameters_of(one.tunable.defaults());
  json buckets = json::array();
  for (const json& bucket : entry.value("buckets", json::array())) {
    if (bucket.is_object() && bucket.value("rows", json()) != one.rows) buckets.push_back(bucket);
  }
  if (one.rows == 0) {
    entry = chosen == usual ? json::object() : measured(one, versions);
  } else if (chosen != entry.value("parameters", usual)) {
    buckets.push_back(measured(one, versions));
    buckets.back()["rows"] = one.rows;
  }
  entry.erase("buckets");
  if (!buckets.empty()) entry["buckets"] = buckets;
  return entry;
}

}  // namespace

json schedule(const std::string& kind, const std::string& device, const json& versions,
              const std::vector<Tuned>& tuned, const json& before) {
  json pipelines = pipelines_of(before, kind, device);
  for (const Tuned& one : tuned) {
    if (one.verdict.rounds == 0) continue;
    const std::string& name = one.tunable.pipeline;
    const json entry = updated(pipelines.value(name, json::object()), one, versions);
    pipelines.erase(name);
    if (entry.contains("parameters") || entry.contains("buckets")) pipelines[name] = entry;
  }
  if (pipelines.empty()) return nullptr;
  return {{"schema", 1},
          {"kind", kind},
          {"device", device},
          {"versions", versions},
          {"pipelines", pipelines}};
}

std::string report(const std::vector<Tuned>& tuned) {
  std::string text;
  for (const Tuned& one : tuned) {
    const Parameters usual = one.tunable.defaults();
    text += fmt::format("{:<20}", one.tunable.pipeline);
    if (one.rows > 0) text += fmt::format("up to {} rows: ", one.rows);
    if (one.chosen == usual) {
      text += fmt::format("no gain: {} stays", text_of(usual));
      if (one.verdict.rounds > 0) {
        text += fmt::format(" (best other {:.3f}, {:.3f} to {:.3f} of its time)", one.verdict.ratio,
                            one.verdict.low, one.verdict.high);
      }
    } else {
      text += fmt::format(
          "{} -> {}: {:.4f} -> {:.4f} ms, {:.3f} of the time ({:.3f} to {:.3f}, {} rounds)",
          text_of(usual), text_of(one.chosen), 1e3 * one.seconds_before, 1e3 * one.seconds_after,
          one.verdict.ratio, one.verdict.low, one.verdict.high, one.verdict.rounds);
    }
    text += '\n';
  }
  return text;
}

}  // namespace luna::autotune
