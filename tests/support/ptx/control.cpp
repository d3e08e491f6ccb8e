// Control of the executing driver (driver.h).
#include <fmt/format.h>

#include <utility>

#include "tests/support/ptx/driver.h"
#include "tests/support/ptx/driver_state.h"

namespace luna::test {

void register_global(const void* begin, size_t bytes) {
  const std::lock_guard lock(ptx::driver().mutex);
  ptx::driver().allocations.add(begin, bytes);
}

void unregister_global(const void* begin, size_t bytes) {
  const std::lock_guard lock(ptx::driver().mutex);
  ptx::driver().allocations.remove(begin, bytes);
}

std::string take_ptx_error() {
  const std::lock_guard lock(ptx::driver().mutex);
  return std::exchange(ptx::driver().error, {});
}

void limit_ptx_instructions(uint64_t limit) {
  const std::lock_guard lock(ptx::driver().mutex);
  ptx::driver().limit = limit;
}

void edit_ptx(std::function<std::string(const std::string&)> edit) {
  const std::lock_guard lock(ptx::driver().mutex);
  ptx::driver().edit = std::move(edit);
}

std::string ptx_kernel_key(const std::string& module_text, const std::string& kernel) {
  return fmt::format("{:016x} {}", std::hash<std::string>()(module_text), kernel);
}

std::set<PtxPlace> take_ptx_places() {
  const std::lock_guard lock(ptx::driver().mutex);
  return std::exchange(ptx::driver().places, {});
}

std::map<std::string, PtxCounts> take_ptx_counts() {
  const std::lock_guard lock(ptx::driver().mutex);
  std::map<std::string, PtxCounts> taken;
  const auto sectors = std::exchange(ptx::driver().sectors, {});
  for (const auto& [name, counts] : std::exchange(ptx::driver().counts, {})) {
    const auto of = [&counts = counts](ptx::Work work) {
      return counts[static_cast<size_t>(work)];
    };
    taken[name] = {of(ptx::Work::kFma),    of(ptx::Work::kFloat),   of(ptx::Work::kInteger),
                   of(ptx::Work::kGlobal), of(ptx::Work::kShared),  of(ptx::Work::kControl),
                   of(ptx::Work::kOther),  sectors.at(name).loaded, sectors.at(name).stored,
                   sectors.at(name).stores};
  }
  return taken;
}

std::vector<PtxProfile> take_ptx_profiles() {
  ptx::Driver& state = ptx::driver();
  const std::lock_guard lock(state.mutex);
  std::vector<PtxProfile> taken;
  for (const auto& [kernel, executed] : std::exchange(state.executed, {})) {
    PtxProfile& profile = taken.emplace_back();
    profile.text = state.texts.at(state.functions.at(kernel).module);
    profile.kernel = kernel->name;
    profile.threads = state.functions.at(kernel).most_threads;
    profile.dynamic_shared = state.functions.at(kernel).most_shared;
    for (size_t i = 0; i < executed.size(); i++) {
      const std::string& line = kernel->text[i];  // "line 7: ..."
      if (line.rfind("line ", 0) == 0) profile.lines[std::stoi(line.substr(5))] += executed[i];
    }
  }
  return taken;
}

}  // namespace luna::test
