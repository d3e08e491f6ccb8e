#include "experiments/autotune/occupancy.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <stdexcept>

namespace luna::autotune {
namespace {

constexpr Architecture kArchitectures[] = {
    {"sm_80", 64, 32, 164}, {"sm_86", 48, 16, 100},  {"sm_87", 48, 16, 164}, {"sm_89", 48, 24, 100},
    {"sm_90", 64, 32, 228}, {"sm_100", 64, 32, 228}, {"sm_120", 48, 24, 100}};
constexpr int kWarp = 32, kSchedulers = 4;
constexpr int kRegistersOfScheduler = 16 * 1024, kRegisterUnit = 256;  // a warp's are whole units
constexpr int kReservedShared = 1024, kSharedUnit = 128;               // of every block

constexpr int blocks_of(int x, int unit) { return (x + unit - 1) / unit; }
constexpr int round_up(int x, int unit) { return blocks_of(x, unit) * unit; }

int capability_of(const Architecture& one) { return std::stoi(std::string(one.name).substr(3)); }

}  // namespace

const Architecture& architecture(const std::string& name) {
  std::string known;
  for (const Architecture& one : kArchitectures) {
    if (name == one.name) return one;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", one.name);
  }
  throw std::runtime_error(fmt::format("unknown architecture '{}'; known: {}", name, known));
}

const Architecture& architecture_of(int capability) {
  const Architecture* best = std::begin(kArchitectures);
  for (const Architecture& one : kArchitectures) {
    if (capability_of(one) <= capability) best = &one;
  }
  return *best;
}

Occupancy occupancy(const Architecture& on, const BlockUse& use) {
  const int warps = std::max(1, blocks_of(use.threads, kWarp));
  const int registers = std::max(kRegisterUnit, round_up(use.registers * kWarp, kRegisterUnit));
  const int shared = round_up(use.shared + kReservedShared, kSharedUnit);
  const Occupancy limits[] = {
      // of equal ones the first counts: nothing is gained by the others
      {on.warps / warps, 0, "warps"},
      {on.blocks, 0, "blocks"},
      {kSchedulers * (kRegistersOfScheduler / registers) / warps, 0, "registers"},
      {on.shared_kib * 1024 / shared, 0, "shared memory"}};
  Occupancy least =
      *std::min_element(std::begin(limits), std::end(limits),
                        [](const Occupancy& a, const Occupancy& b) { return a.blocks < b.blocks; });
  least.warps = least.blocks * warps;
  return least;
}

}  // namespace luna::autotune
