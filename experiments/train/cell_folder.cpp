#include "experiments/train/cell_folder.h"

#include <errno.h>
#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <sstream>

#include "experiments/config/options.h"
#include "experiments/config/toml_file.h"
#include "experiments/train/lock.h"
#include "runtime/io/atomic_file.h"

namespace luna::experiments {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string shown(const json& value) { return value.is_null() ? "absent" : value.dump(); }

/// "train.steps is 200 there and 100 now", or empty when equal.
std::string first_difference(const json& now, const json& there, const std::string& prefix) {
  json keys = now;
  keys.update(there);
  for (const auto& item : keys.items()) {
    const json ours = now.value(item.key(), json()), theirs = there.value(item.key(), json());
    if (ours == theirs) continue;
    const std::string name = prefix + item.key();
    if (ours.is_object() && theirs.is_object()) return first_difference(ours, theirs, name + ".");
    return fmt::format("{} is {} there and {} now", name, shown(theirs), shown(ours));
  }
  return "";
}

}  // namespace

MetricsLog::MetricsLog(fs::path path, int64_t bytes)
    : path_(std::move(path)), file_(nullptr, &std::fclose), bytes_(bytes) {
  std::ofstream(path_, std::ios::app).close();
  std::error_code error;
  const uintmax_t there = fs::file_size(path_, error);
  if (!error && there < static_cast<uintmax_t>(bytes)) {
    throw std::runtime_error(
        fmt::format("{} is shorter than its checkpoint says; delete the folder {} to start again",
                    path_.string(), path_.parent_path().string()));
  }
  fs::resize_file(path_, static_cast<uintmax_t>(bytes), error);
  if (error) refuse(path_, error.value(), kOtherResults);
  file_.reset(std::fopen(path_.c_str(), "ab"));
  if (!file_) refuse(path_, errno, kOtherResults);
}

void MetricsLog::add(const json& line) {
  const std::string text = line.dump() + "\n";
  const bool taken = std::fwrite(text.data(), 1, text.size(), file_.get()) == text.size();
  if (!taken || std::fflush(file_.get()) != 0) refuse(path_, errno, kOtherResults);
  bytes_ += static_cast<int64_t>(text.size());
}

void MetricsLog::sync() {
  if (fdatasync(fileno(file_.get())) != 0) refuse(path_, errno, kOtherResults);
}

json CellFolder::result() const {
  const json done = read("DONE");
  const auto number = [&](const char* key, double most) {
    return done.contains(key) && done[key].is_number() && done[key] >= 0 && done[key] <= most;
  };
  constexpr double kMost = std::numeric_limits<double>::max();
  const bool whole = done.is_object() && number("test_accuracy", 1) &&
                     number("validation_accuracy", 1) && number("steps", kMost) &&
                     number("seconds", kMost);
  return whole ? done : json();
}

std::optional<std::string> CellFolder::failure() const {
  const json failed = read("FAILED");
  if (!failed.is_object()) return std::nullopt;
  const auto reason = failed.find("reason");
  const bool said = reason != failed.end() && reason->is_string();
  return said ? reason->get<std::string>() : "unknown reason";
}

void CellFolder::refuse_results(const std::string& why) const {
  throw UsageError(
      fmt::format("{} holds results of another configuration: {}; choose another "
                  "results folder with --results, or delete this one",
                  path_.string(), why));
}

void CellFolder::compare(const json& config, const json& there) const {
  const std::string difference = first_difference(config, there, "");
  if (!difference.empty()) refuse_results(difference);
}

void CellFolder::check(const json& config) const {
  if (!fs::exists(resolved())) {
    const bool empty = !fs::exists(path_ / "DONE") && !fs::exists(checkpoint());
    return empty ? void() : refuse_results("config.resolved.toml is missing");
  }
  json there;
  try {
    there = read_toml(resolved());
  } catch (const UsageError&) {
    refuse_results("config.resolved.toml is damaged");
  }
  compare(config, there);
}

void CellFolder::claim(const json& config) const {
  check(config);
  if (!fs::exists(resolved())) io::write_file_atomically(resolved(), toml_text(config));
}

void CellFolder::write(const std::string& name, const json& object) const {
  io::write_file_atomically(path_ / name, object.dump(1) + "\n");
}

json CellFolder::read(const std::string& name) const {
  if (!fs::exists(path_ / name)) return {};
  return json::parse(text_of(path_ / name), nullptr, /*allow_exceptions=*/false);
}

}  // namespace luna::experiments
