#include "experiments/bench/store.h"

#include <fstream>
#include <stdexcept>

#include "runtime/io/atomic_file.h"

namespace luna::bench {
namespace {

using nlohmann::json;

/// Whether rows of the file `there` can stand beside those of this run.
bool same_run(const json& there, const json& head) {
  if (!there.is_object() || there.value("kind", json()) != "rows") return false;
  if (there.value("options", json()) != head.at("options")) return false;
  const json then = there.value("environment", json()), now = head.at("environment");
  if (!then.is_object()) return false;
  for (const char* key : {"library_sha256", "cpu", "isa", "cores"}) {
    if (then.value(key, json()) != now.value(key, json())) return false;
  }
  return true;
}

}  // namespace

Store::Store(std::filesystem::path path, json head, bool anew)
    : path_(std::move(path)), content_(std::move(head)) {
  content_["schema"] = 1;
  content_["kind"] = "rows";
  empty_lists();
  if (anew || !std::filesystem::exists(path_)) return;
  std::ifstream file(path_);
  const json there = json::parse(file, nullptr, /*allow_exceptions=*/false);
  found_ = Found::kForeign;
  if (same_run(there, content_)) keep(there);
}

void Store::empty_lists() {
  for (const char* list : {"ceilings", "gate", "left_out", "rows"}) content_[list] = json::array();
}

void Store::keep(const json& there) {
  try {
    for (const reports::BenchRow& row : reports::bench_rows(there)) add(row);
    for (const json& entry : there.at("left_out")) leave_out(entry.at("row"), entry.at("reason"));
    for (const json& entry : there.at("gate")) add_gate(entry);
    for (const json& entry : there.at("ceilings")) {
      add(Ceilings{entry.at("threads"), entry.at("isa"), entry.at("gflops"), entry.at("gb_s")});
    }
    content_["environment"] = there.at("environment");  // with the load before the first row
    found_ = Found::kOwn;
  } catch (const std::exception&) {  // damaged: all of it is timed again
    empty_lists();
    settled_.clear();
    ceilings_.clear();
  }
}

bool Store::has(const std::string& key) const { return settled_.count(key) > 0; }

void Store::add(const reports::BenchRow& row) {
  content_["rows"].push_back(row);
  settled_.insert(row.key());
}

void Store::leave_out(const std::string& key, const std::string& reason) {
  content_["left_out"].push_back({{"row", key}, {"reason", reason}});
  settled_.insert(key);
}

const Ceilings* Store::ceilings(int threads) const {
  const auto found = ceilings_.find(threads);
  return found == ceilings_.end() ? nullptr : &found->second;
}

void Store::add(const Ceilings& ceilings) {
  ceilings_[ceilings.threads] = ceilings;
  content_["ceilings"].push_back(ceilings);
}

void Store::save() const { io::write_file_atomically(path_, content_.dump(1) + "\n"); }

}  // namespace luna::bench
