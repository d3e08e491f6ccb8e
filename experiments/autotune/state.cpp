#include "experiments/autotune/state.h"

#include <algorithm>
#include <fstream>

#include "experiments/train/environment.h"
#include "runtime/io/atomic_file.h"
#include "runtime/io/sha256.h"

namespace luna::autotune {

using nlohmann::json;

namespace {

bool is_text(const json& value) { return value.is_string(); }

bool are_numbers(const json& values) {
  return values.is_array() &&
         std::all_of(values.begin(), values.end(), [](const json& x) { return x.is_number(); });
}

/// Whether a pipeline's entry is what this file writes.
bool is_entry(const json& entry) {
  if (!entry.is_object()) return false;
  const auto of_candidates = [&](const char* field, const auto& is) {
    const json values = entry.value(field, json::object());
    return values.is_object() && std::all_of(values.begin(), values.end(), is);
  };
  const json alive = entry.value("alive", json::array());
  return of_candidates("settled", is_text) && is_text(entry.value("trying", json(""))) &&
         of_candidates("deaths", [](const json& x) { return x.is_number_integer(); }) &&
         alive.is_array() && std::all_of(alive.begin(), alive.end(), is_text) &&
         entry.value("rung", json(0)).is_number_integer() && of_candidates("ratios", are_numbers) &&
         of_candidates("seconds", are_numbers) && entry.value("done", json(false)).is_boolean();
}

bool is_state(const json& there, const json& key) {
  if (!there.is_object() || there.value("key", json()) != key) return false;
  const json pipelines = there.value("pipelines", json());
  return pipelines.is_object() && std::all_of(pipelines.begin(), pipelines.end(), is_entry);
}

}  // namespace

json state_key(const std::vector<std::filesystem::path>& files, const std::string& device,
               const std::string& architecture) {
  json contents = json::array();
  for (const std::filesystem::path& file : files) {
    contents.push_back(std::filesystem::exists(file) ? json(io::sha256_file(file)) : json());
  }
  return {{"library", experiments::library_sha256()},
          {"files", contents},
          {"device", device},
          {"architecture", architecture}};
}

State::State(std::filesystem::path file, json key) : file_(std::move(file)) {
  std::ifstream stream(file_);
  json there = json::parse(stream, nullptr, /*allow_exceptions=*/false);
  resumed_ = is_state(there, key);
  if (resumed_) {
    content_ = std::move(there);
  } else {
    content_ = {{"key", std::move(key)}, {"pipelines", json::object()}};
  }
  for (auto& [pipeline, entry] : content_["pipelines"].items()) {
    const std::string trying = entry.value("trying", "");
    entry["trying"] = "";
    if (trying.empty()) continue;
    const int deaths = entry.value("deaths", json::object()).value(trying, 0) + 1;
    entry["deaths"][trying] = deaths;
    if (deaths > 1) settle(pipeline, trying, "it killed the process twice");
  }
}

json State::of(const std::string& pipeline) const {
  return content_.at("pipelines").value(pipeline, json::object());
}

std::string State::reason(const std::string& pipeline, const std::string& candidate) const {
  return of(pipeline).value("settled", json::object()).value(candidate, "");
}

void State::settle(const std::string& pipeline, const std::string& candidate,
                   const std::string& reason) {
  content_["pipelines"][pipeline]["settled"][candidate] = reason;
}

void State::try_now(const std::string& pipeline, const std::string& candidate) {
  content_["pipelines"][pipeline]["trying"] = candidate;
  save();
}

std::vector<std::string> State::alive(const std::string& pipeline) const {
  return of(pipeline).value("alive", std::vector<std::string>());
}

int State::rung(const std::string& pipeline) const { return of(pipeline).value("rung", 0); }

void State::enter(const std::string& pipeline, int rung, const std::vector<std::string>& alive) {
  content_["pipelines"][pipeline]["ratios"] = json::object();
  content_["pipelines"][pipeline]["seconds"] = json::object();
  content_["pipelines"][pipeline]["rung"] = rung;
  content_["pipelines"][pipeline]["alive"] = alive;
}

std::vector<double> State::numbers(const std::string& pipeline, const char* list,
                                   const std::string& candidate) const {
  return of(pipeline).value(list, json::object()).value(candidate, std::vector<double>());
}

std::vector<double> State::ratios(const std::string& pipeline, const std::string& candidate) const {
  return numbers(pipeline, "ratios", candidate);
}

void State::add(const std::string& pipeline, const std::string& candidate, double ratio) {
  content_["pipelines"][pipeline]["ratios"][candidate].push_back(ratio);
}

std::vector<double> State::seconds(const std::string& pipeline,
                                   const std::string& candidate) const {
  return numbers(pipeline, "seconds", candidate);
}

void State::add_seconds(const std::string& pipeline, const std::string& candidate, double seconds) {
  content_["pipelines"][pipeline]["seconds"][candidate].push_back(seconds);
}

bool State::done(const std::string& pipeline) const { return of(pipeline).value("done", false); }

void State::finish(const std::string& pipeline) { content_["pipelines"][pipeline]["done"] = true; }

void State::save() const { io::write_file_atomically(file_, content_.dump(1) + "\n"); }

}  // namespace luna::autotune
