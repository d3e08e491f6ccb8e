// The fixed feature maps by name: what the operators accept, `luna list` prints, modules train and
// the tests run over. A new map is one row of fixed_maps.cpp; those of more than one coordinate
// have a file in maps/.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "runtime/kernels/kernels.h"
#include "runtime/ops/spec.h"
#include "runtime/psi/psi.h"

namespace luna::ops {

enum class Side { query, key };

/// What phi may look at beside x.
struct MapContext {
  std::vector<at::Tensor> params = {};
  int64_t option = 0;
  Side side = Side::query;
  std::optional<at::Tensor> key_mask = {};  ///< bool [B, N] of the keys
  bool causal = false;     ///< nothing of one token may depend on a later one: no maxima over keys
  int64_t position = 0;    ///< tokens before the first one of x
  int64_t length = 0;      ///< max(Nq, N)
  int64_t tokens = 0;      ///< of this side
  bool exchanged = false;  ///< by_polarity: the halves of phi change places
  /// Of a token of every batch, int64 [B], in place of `position`.
  std::optional<at::Tensor> positions = {};
  c10::Device device = c10::kCPU;              ///< where the kernels run
  std::shared_ptr<const psi::Psi> table = {};  ///< FixedMap::table of these params
};

/// drawn: a fixed draw; given: numbers that are chosen. Both are refused where they need a
/// gradient.
enum class ParamKind { trained, drawn, given };
/// "trained", "drawn", "given".
const char* kind_text(ParamKind kind);
enum class ParamHeads { shared, any };  ///< any: one for all, or [Hk, ...], a key head's own

struct MapParam {
  const char* name;
  /// Of its shape: "md" is [m, d]; d is the head size, m (projections), L (channels), K (knots) and
  /// digits i (hid_i, of hidden layer i) any sizes > 0.
  const char* letters;
  ParamKind kind;
  ParamHeads heads = ParamHeads::shared;
};

/// What may follow the colon of a map's name: one of some words, or a number >= 1, or nothing.
struct MapOption {
  std::vector<const char*> words = {};  ///< the option is the position; the first is a bare name's
  const char* number = nullptr;
  int64_t unset = 0;                                      ///< the number of a bare name
  int64_t example = 0;                                    ///< a number for messages and tests
  int64_t largest = std::numeric_limits<int32_t>::max();  ///< number accepted
};

/// How the columns of v are attended. by_polarity: the first half with phi(q), the second with
/// phi(q)'s halves exchanged; each half has a denominator of its own.
enum class ValueColumns { together, by_polarity };

struct FixedMap {
  const char* name;
  const char* formula;
  const char* source;
  const char* features;  ///< D in letters
  /// D, divided by the number of channels where `params` say one.
  c10::SymInt (*count)(const c10::SymInt& d, const c10::SymInt& m, int64_t option);
  MapOption option = {};
  std::vector<MapParam> (*params)(int64_t option) = [](int64_t) { return std::vector<MapParam>{}; };
  ValueColumns columns = ValueColumns::together;
  /// phi of a map of one coordinate (D = d, no parameters); nullptr for others, which have `map`.
  at::Tensor (*phi)(const at::Tensor& x) = nullptr;
  /// x [B, heads, tokens, d] -> [B, heads, tokens, D].
  at::Tensor (*map)(const at::Tensor& x, const MapContext& context) = nullptr;
  /// The parameters a model starts with, float32; nullptr where there are none.
  std::vector<at::Tensor> (*draw)(int64_t m, int64_t d, int64_t option,
                                  const std::optional<at::Generator>& generator) = nullptr;
  /// One side of the map as the kernels take it, on heads of size d; nullptr: a map of one
  /// coordinate, whose pipelines have its name.
  kernels::MapArgs (*fold)(int64_t d, const MapContext& context) = nullptr;
  /// Gradients of `params` (undefined for drawn ones) from one side's.
  std::vector<at::Tensor> (*unfold)(const kernels::MapGrads& grads,
                                    const MapContext& context) = nullptr;
  /// Whether features are reduced by an M that depends on all keys (kernels::Forward::M).
  bool (*stabilised)(int64_t option) = [](int64_t) { return false; };
  bool unit_rows = false;   ///< the kernels get x / |x|
  bool positional = false;  ///< phi depends on where a token stands
  /// The psi of a map that is a table of segments, from its params in float32: one fold for
  /// queries and keys, on every device. op: the name messages begin with.
  std::shared_ptr<const psi::Psi> (*table)(const char* op, at::TensorList params) = nullptr;
  /// Why these inputs are refused, beyond what `params` says; "" where they are not.
  std::string (*refusal)(const Inputs& inputs, const Spec& spec, int64_t option) = nullptr;

  bool elementwise() const { return phi != nullptr; }
};

const std::vector<FixedMap>& fixed_maps();
/// Without options.
std::vector<const char*> fixed_map_names();
/// With every word and one number: "rff", "rff:norm", "dpfp", "dpfp:3", ...
std::vector<std::string> fixed_map_variants();

/// A map and the option that its name asked for; false where there is none.
struct NamedMap {
  const FixedMap* map = nullptr;
  int64_t option = 0;

  explicit operator bool() const { return map != nullptr; }
  const FixedMap* operator->() const { return map; }
  std::vector<MapParam> params() const { return map->params(option); }
};

/// The map of a name such as "elu" or "dpfp:3". None for a name or an option that is not known; why
/// (if given) then says what is: "unknown feature_map ...". others: names beside the fixed maps' to
/// list there.
NamedMap find_fixed_map(const std::string& name, std::string* why = nullptr,
                        const std::string& others = "");

/// Whether a map's params have a number of channels L of their own.
bool has_channels(const NamedMap& map);

/// Whether the halves of v's columns are attended apart (ValueColumns).
bool by_polarity(const Spec& spec);

/// phi of either kind of map, any dtype.
at::Tensor map_features(const NamedMap& map, const at::Tensor& x, const MapContext& context);

/// D of parameters as the map's checks accept them.
c10::SymInt feature_count(const NamedMap& map, const c10::SymInt& d,
                          const std::vector<at::Tensor>& params);

/// The parameters a model starts with: drawn ones drawn, trained ones at their published initial
/// values. float32, on the CPU, in the order of FixedMap::params; m rows where the map has a free
/// number of them. Throws c10::ValueError for an unknown name and sizes that are not > 0.
std::vector<at::Tensor> draw_feature_map(const std::string& name, int64_t m, int64_t d,
                                         std::optional<at::Generator> generator);

/// The shapes a parameter may have, in letters; h is Hk: {"md"}, {"md", "hmd"}.
std::vector<std::string> shapes(const MapParam& param);
/// For people: "[m, d] or [Hk, m, d]".
std::string shape_text(const std::vector<std::string>& shapes);
std::string letter_text(char letter);
/// The names that options give, for people: "dpfp, dpfp:<nu>"; "elu".
std::string accepted_names(const FixedMap& map);

}  // namespace luna::ops
