#include "experiments/autotune/state.h"

#include <fstream>

#include "experiments/train/environment.h"
#include "runtime/io/atomic_file.h"
#include "runtime/io/sha256.h"

namespace luna::autotune {

using nlohmann::json;

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
  resumed_ = there.is_object() && there.value("key", json()) == key &&
             there.value("pipelines", json()).is_object();
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
