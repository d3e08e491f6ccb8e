// A feature map phi as the passes see it: features of a token tile, the gradient back through them,
// and how both are scheduled on the CPU and, in two forms, on a GPU. One file per map, which
// registers itself by name (RegisterMap).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "Halide.h"
#include "generators/common/numeric.h"
#include "generators/common/warp.h"

namespace luna {

using Halide::Expr;
using Halide::Func;
using Halide::RDom;
using Halide::Type;
using Halide::Var;

/// An argument of the pipeline that belongs to the map: a buffer, or a float scalar (dimensions 0).
struct Argument {
  std::string name;
  Type type;
  int dimensions;
  int pitch = 0;  ///< stride of dimension 1 where it is fixed, else 0
};

/// Access to the generator's arguments by name.
struct Arguments {
  std::map<std::string, Func> buffers;
  std::map<std::string, Halide::OutputImageParam> shapes;
  std::map<std::string, Expr> scalars;
};

/// The tokens a map works on: a tile (generators/attention/tile), or on a GPU all of them.
struct TokenTile {
  Func x;                       ///< rows x(j, n, batch), zero beyond d
  Expr d;                       ///< head size
  Expr tokens;                  ///< tokens in the tile
  Expr features;                ///< D after padding
  std::vector<Var> batch = {};  ///< dimensions after the token's: none, or (h, b)
  Expr summed = {};             ///< CPU gradients: tokens that sums are over: all, or 0
};

/// Batched form on a GPU: where a pass wants the features of one tile of tokens.
struct SharedTile {
  Halide::LoopLevel at;  ///< loop over tiles of the consumer
  int features;          ///< D at a time
  bool feature_rows;     ///< D is innermost in shared memory, else the token
  bool sites = false;    ///< what the gradient reads of every projection is kept there too
};

/// A gradient sum over tokens and the extents of the output it is accumulated in.
struct GradientSum {
  Func sum;
  std::vector<Expr> extents;
};

/// CPU: the loops in which a gradient is stored, over blocks of kGradTokens tokens and, inside,
/// over blocks of so many columns.
struct GradientLoops {
  Halide::LoopLevel tokens, columns;
  int width;
};

/// What a map is defined over. tile: a tile on the CPU. On a GPU gradients end at the projection,
/// and what a map reads of every (b, h) is given of every token. batched: every Func has dimensions
/// (h, b), and passes inline the map. rows: tokens are rows of matrices in memory; so are their
/// projections t, which are given, and their features.
enum class Form { tile, batched, rows };

/// Generator parameters that select and size a map.
struct MapOptions {
  int levels = 2;  ///< levels of the 16-ary knot search
  int size = 0;    ///< head size when fixed at build time, 0: run-time value
  Form form = Form::tile;
  int row_threads = warp::kRowThreads;  ///< of a block in rows form
};

class FeatureMap {
 public:
  explicit FeatureMap(const MapOptions& options) : options_(options) {}
  virtual ~FeatureMap() = default;

  /// True when D = d and features are functions of one coordinate of x.
  virtual bool elementwise() const { return false; }
  /// Features that one projection yields; what a batched gradient has one value of.
  virtual int channels() const { return 1; }
  /// Parameters, in the order in which the pipeline takes them.
  virtual std::vector<Argument> inputs() const = 0;
  /// Parameters that only the gradient needs.
  virtual std::vector<Argument> gradient_inputs() const { return {}; }
  /// Gradient sums over tokens, accumulated in place.
  virtual std::vector<Argument> gradient_outputs() const { return {}; }

  /// D after padding, known to be a multiple of the feature block.
  virtual Expr padded_features(const Arguments& arguments, const Expr& d) const = 0;
  /// Defines phi(D, n, batch).
  virtual Func features(const Arguments& arguments, const TokenTile& tile) = 0;
  /// Defines dx(j, n) from dphi(D, n) and the sums of gradient_outputs(), in that order; on the CPU
  /// arguments has the features as "phi" (weighted: of weight 0 or 1 except for psi maps). On a GPU
  /// x is the gradient at what the map is a function of (x itself or its projection); there are no
  /// sums, in rows form their terms (j, n) of every token instead.
  struct Gradient {
    Func x;
    std::vector<GradientSum> sums;
  };
  virtual Gradient gradient(const Arguments& arguments, const Func& dphi) = 0;

  /// CPU: outputs (n) of the pipeline beside the features, by name; features() defines them.
  virtual std::vector<std::pair<std::string, Func>> token_outputs() const { return {}; }

  /// CPU: out(D, n) is what features() returned times a weight, the pipeline's output.
  virtual void schedule_features(const Halide::Target& target, Func out) = 0;
  /// CPU: of the gradient alone.
  virtual void schedule_gradient(const Halide::Target& target, const GradientLoops& at) = 0;

  /// Rows form: what the gradient gives beside dx, (j, n) of every token, to be summed over tokens.
  virtual std::vector<Argument> row_terms() const { return {}; }
  /// Rows form: features() writes run after run of phi, the pipeline's output; other maps compute
  /// each feature by itself.
  virtual bool writes_runs() const { return false; }
  /// Rows form: out(D, n), and dx of the gradient, are pipelines' outputs.
  virtual void schedule_rows(Func out) { each_by_itself(out); }
  virtual void schedule_rows_gradient(Func out) { each_by_itself(out); }

  /// Rows form: each value by itself, of whole lines of 128 bytes.
  void each_by_itself(Func out) const { warp::by_rows(out, rows({warp::kVector, 8, 8})); }
  /// Rows form, of projections: values that share what a thread computes of their token, 16 of it.
  void share_tokens(Func out) const { warp::by_rows(out, rows({warp::kVector, 4, 1, 4})); }

  /// GPU: features in shared memory, lanes are tokens.
  virtual void schedule_shared(const SharedTile&) {
    throw Halide::RuntimeError("this feature map has no GPU schedule");
  }
  /// GPU: `site` is the loop over what one lane computes the gradient of.
  virtual void schedule_shared_gradient(const Halide::LoopLevel&) {}

 protected:
  /// That tile in blocks of as many threads as the schedule has.
  warp::RowTile rows(warp::RowTile tile) const {
    tile.threads = options_.row_threads;
    return tile;
  }

  /// Coordinates (own..., batch) of a Func; the last of `own` is the token.
  template <typename... Own>
  std::vector<Expr> at(const Own&... own) const {
    std::vector<Expr> site = {Expr(own)...};
    site.insert(site.end(), tile_.batch.begin(), tile_.batch.end());
    return site;
  }

  /// The features that a gradient reads: the pipeline's input, or those of features().
  static Func given_features(const Arguments& arguments, const Func& computed) {
    const auto found = arguments.buffers.find("phi");
    return found == arguments.buffers.end() ? computed : found->second;
  }

  /// exp(y) by the form's cheapest instructions; a NaN stays.
  Expr exponential(const Expr& y) const {
    return options_.form == Form::tile ? exp_by_bits(y) : exp_nan(y);
  }
  /// The same where y <= 0, and some number elsewhere.
  Expr decay(const Expr& y) const {
    return options_.form == Form::tile ? decay_by_bits(y) : exp_nan(y);
  }

  /// What phi is where no update writes it: the CPU's pipeline replaces what only pads.
  Expr unwritten() const {
    return options_.form == Form::tile ? Halide::undef<float>() : Expr(0.0f);
  }

  MapOptions options_;
  TokenTile tile_;
};

using MapFactory = std::function<std::unique_ptr<FeatureMap>(const MapOptions&)>;
void register_map(const std::string& name, MapFactory factory);

/// Makes Map(options, extra...) known by name: one object at namespace scope of the map's file.
template <typename Map>
struct RegisterMap {
  template <typename... Extra>
  explicit RegisterMap(const std::string& name, Extra... extra) {
    register_map(
        name, [=](const MapOptions& options) { return std::make_unique<Map>(options, extra...); });
  }
};

/// The map of that name; names are those of runtime/kernels/kernels.h.
std::unique_ptr<FeatureMap> make_feature_map(const std::string& name, const MapOptions& options);

}  // namespace luna
