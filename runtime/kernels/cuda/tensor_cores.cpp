#include "runtime/kernels/cuda/tensor_cores.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <tuple>

#include "generators/attention/tensor/arguments.h"
#include "runtime/kernels/channel_groups.h"
#include "runtime/kernels/cuda/device_map.h"

namespace luna::kernels::cuda {
namespace {

constexpr int64_t kMostBatches = 65535;  ///< the launch grid's z

tensor::Parts parts_of(at::ScalarType type) {
  return type == at::kFloat  ? tensor::kFloatStorage
         : type == at::kHalf ? tensor::kHalfStorage
                             : tensor::kBrainStorage;
}

int64_t table_rows(const MapArgs& map) {
  return ChannelGroups(map.L, kPsiChannels).count * (map.knots.numel() + 1);
}

bool fits(const MapArgs& map, int64_t size, tensor::Parts parts) {
  int halvings = 0;
  while ((int64_t{1} << halvings) <= map.knots.numel()) halvings++;
  return tensor::table_fits(tensor::apply_bytes(static_cast<int>(size), parts), halvings,
                            table_rows(map), 1);
}

/// Why not, or "".
std::string obstacle(const Backend& backend, const Problem& p) {
  const at::ScalarType type = p.q.scalar_type();
  if (p.k.scalar_type() != type || p.v.scalar_type() != type) return "q, k and v differ in dtype";
  const std::string& map = p.k_map.map;
  const int64_t size = built_size(map, p.q.size(3), p.v.size(3));
  if (is_pwl(map)) {
    for (const MapArgs* own : {&p.q_map, &p.k_map}) {
      if (fits(*own, size, parts_of(type))) continue;
      return fmt::format("a table of {} knots is beyond shared memory", own->knots.numel());
    }
  }
  if (!is_pwl(map) && type == at::kFloat) return "in float32 only psi as a table has them";
  if (p.q.size(0) > kMostBatches) return "the batch is beyond the launch grid's z";
  const std::string missing = missing_pass(backend, map, size, {type, true}, p.q);
  return missing.empty() ? "" : missing + " is not built";
}

/// Of a map's passes for heads of a size, in a storage.
std::vector<std::string> pipelines_of(const std::string& map, int64_t size, Storage storage) {
  std::vector<std::string> names;
  for (const char* pass : {"kv_state", "apply_state", "grad"}) {
    names.push_back(pass_name(pass, map, size) + storage.suffix());
  }
  if (!storage.tensor_cores) return names;
  names.push_back("quotient_grad_" + std::to_string(size) + storage.suffix());
  if (is_pwl(map)) names.push_back(pass_name("grad_params", map, size) + storage.suffix());
  return names;
}

std::string look_for_missing(const Backend& backend, const std::vector<std::string>& names,
                             const About& call) {
  for (const std::string& name : names) {
    if (!is_built(backend, name, call)) return name + backend.suffix;
  }
  return "";
}

}  // namespace

bool verbose() {
  static const bool asked = [] {
    const char* const value = std::getenv("LUNA_VERBOSE");
    return value && *value && std::string(value) != "0";
  }();
  return asked;
}

void print_once(const std::string& text) {
  static std::mutex mutex;
  static std::set<std::string> said;
  const std::lock_guard lock(mutex);
  if (said.insert(text).second) std::fprintf(stderr, "luna: %s\n", text.c_str());
}

std::string missing_pass(const Backend& backend, const std::string& map, int64_t size,
                         Storage storage, const About& call) {
  using Key = std::tuple<decltype(backend.find), std::string, int64_t, std::string>;
  static std::mutex mutex;
  static std::map<Key, std::string> known;
  static uint64_t generation = 0;
  const std::lock_guard lock(mutex);
  if (generation != pipelines_generation()) known.clear();
  generation = pipelines_generation();
  const Key key{backend.find, map, size, storage.suffix()};
  const auto found = known.find(key);
  if (found != known.end()) return found->second;
  return known[key] = look_for_missing(backend, pipelines_of(map, size, storage), call);
}

bool tensor_core_sums_fit(const MapArgs& map) { return table_rows(map) <= tensor::kMostSumRows; }

const char* Storage::suffix() const {
  if (!tensor_cores) return "";
  return dtype == at::kBFloat16 ? "_bf16" : dtype == at::kHalf ? "_f16" : "_f32";
}

std::optional<Storage> storage_of(const Backend& backend, const Problem& p, bool by_halide) {
  const std::string why_not = obstacle(backend, p);
  if (why_not.empty()) {
    say_once([&] {
      return fmt::format("tensor cores take {}, heads of {} and {}", toString(p.q.scalar_type()),
                         p.q.size(3), p.v.size(3));
    });
    return Storage{p.q.scalar_type(), true};
  }
  if (!by_halide) return {};
  say_once([&] { return "float32 pipelines, no tensor cores: " + why_not; });
  return Storage{};
}

}  // namespace luna::kernels::cuda
