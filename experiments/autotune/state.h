// Where a tuning run stands, on disk: whatever interrupts it, the same command goes on from there.
//   {"key": {...}, "pipelines": {NAME: {"settled": {CANDIDATE: reason}, "trying": CANDIDATE,
//                                       "deaths": {CANDIDATE: int},
//                                       "alive": [CANDIDATE], "rung": int,
//                                       "ratios": {CANDIDATE: [number]},
//                                       "seconds": {CANDIDATE: [number]}, "done": bool}}}
// CANDIDATE: text_of(parameters). Tested in tests/experiments/autotune.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace luna::autotune {

/// What results depend on: libluna and these files by their contents (a file may be absent), and
/// where they were found.
nlohmann::json state_key(const std::vector<std::filesystem::path>& files, const std::string& device,
                         const std::string& architecture);

class State {
 public:
  /// Begins anew where the file is of another key or damaged. key: what the results depend on.
  State(std::filesystem::path file, nlohmann::json key);

  /// Whether there was something to go on from.
  bool resumed() const { return resumed_; }

  /// Why the candidate is out; "" where it is not.
  std::string reason(const std::string& pipeline, const std::string& candidate) const;
  void settle(const std::string& pipeline, const std::string& candidate, const std::string& reason);
  /// Notes what is about to run for the first time; "" for none. Found again after a restart, it
  /// was interrupted or has killed the process: it is tried once more, then settled as that.
  void try_now(const std::string& pipeline, const std::string& candidate);

  std::vector<std::string> alive(const std::string& pipeline) const;
  int rung(const std::string& pipeline) const;
  /// Begins a rung, without the times of the one before: they chose who is here.
  void enter(const std::string& pipeline, int rung, const std::vector<std::string>& alive);
  /// Of this rung: seconds by the default's of the same round.
  std::vector<double> ratios(const std::string& pipeline, const std::string& candidate) const;
  void add(const std::string& pipeline, const std::string& candidate, double ratio);
  /// Of this rung, the default's too: what a round took.
  std::vector<double> seconds(const std::string& pipeline, const std::string& candidate) const;
  void add_seconds(const std::string& pipeline, const std::string& candidate, double seconds);
  bool done(const std::string& pipeline) const;
  void finish(const std::string& pipeline);

  void save() const;

 private:
  nlohmann::json of(const std::string& pipeline) const;
  std::vector<double> numbers(const std::string& pipeline, const char* list,
                              const std::string& candidate) const;

  std::filesystem::path file_;
  nlohmann::json content_;
  bool resumed_ = false;
};

}  // namespace luna::autotune
