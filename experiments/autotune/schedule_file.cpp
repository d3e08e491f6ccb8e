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

json schedule(const std::string& kind, const std::string& device, const json& versions,
              const std::vector<Tuned>& tuned) {
  json pipelines = json::object();
  for (const Tuned& one : tuned) {
    if (one.chosen == one.tunable.defaults()) continue;
    json& entry = pipelines[one.tunable.pipeline];
    for (const auto& [name, value] : one.chosen) entry["parameters"][name] = value;
    entry["time_of_default"] = one.verdict.ratio;
    entry["interval"] = {one.verdict.low, one.verdict.high};
    entry["rounds"] = one.verdict.rounds;
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
    if (one.chosen == usual) {
      text += fmt::format("no gain: {} stays", text_of(usual));
      if (one.verdict.rounds > 0) {
        text += fmt::format(" (best other {:.3f}, {:.3f} to {:.3f} of its time)", one.verdict.ratio,
                            one.verdict.low, one.verdict.high);
      }
    } else {
      text += fmt::format("{} -> {}: {:.3f} of the time ({:.3f} to {:.3f}, {} rounds)",
                          text_of(usual), text_of(one.chosen), one.verdict.ratio, one.verdict.low,
                          one.verdict.high, one.verdict.rounds);
    }
    text += '\n';
  }
  return text;
}

}  // namespace luna::autotune
