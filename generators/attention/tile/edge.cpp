// A tile's edges: rows of a user's tensor into a tile and back. A dtype is a policy here and
// nowhere else; inside, everything is float32.
#include "generators/attention/tile/tile.h"

namespace luna {

/// Outside the anonymous namespace, as the classes with a member of it.
enum class Storage { f32, bf16, f16 };

namespace {

using Halide::Expr;

const std::map<std::string, Storage>& storages() {
  static const std::map<std::string, Storage> names = {
      {"f32", Storage::f32}, {"bf16", Storage::bf16}, {"f16", Storage::f16}};
  return names;
}

/// bfloat16 travels as its bits.
Halide::Type memory_type(Storage storage) {
  switch (storage) {
    case Storage::bf16:
      return Halide::UInt(16);
    case Storage::f16:
      return Halide::Float(16);
    default:
      return Halide::Float(32);
  }
}

Expr widened(const Expr& x, Storage storage) {
  if (storage == Storage::bf16) {
    return Halide::reinterpret<float>(Halide::cast<uint32_t>(x) << 16);
  }
  return Halide::cast<float>(x);
}

/// Rounds to nearest, ties to even; NaN stays one.
Expr narrowed(const Expr& x, Storage storage) {
  if (storage != Storage::bf16) return Halide::cast(memory_type(storage), x);
  const Expr bits = Halide::reinterpret<uint32_t>(x);
  const Expr rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return Halide::cast<uint16_t>(Halide::select(Halide::is_nan(x), (bits >> 16) | 0x40, rounded));
}

}  // namespace

/// tile(j, n) = x(j, n) factor(n), `beyond` at j = d, 0 from there on and past the last token; all
/// of it 0 where the token's weight is 0, NaN or not.
class TileLoad : public TilePipeline<TileLoad> {
 public:
  Halide::GeneratorParam<Storage> storage{"storage", Storage::f32, storages()};
  Input<Buffer1> weight{"weight"}, factor{"factor"};  // (N)
  Input<float> beyond{"beyond"};
  Output<Buffer2> tile{"tile"};

  void configure() { x_ = add_input<Halide::Buffer<>>("x", memory_type(storage), 2); }

  void generate() {
    auto& x = *x_;
    const Expr d = x.dim(0).extent(), tokens = x.dim(1).extent();
    const Expr width = tile.dim(0).extent(), rows = tile.dim(1).extent();
    const RDom real(0, d, 0, tokens, "real"), rest(d, width - d, 0, tokens, "rest");
    const RDom tail(0, width, tokens, rows - tokens, "tail");
    tile(j_, n_) = Halide::undef<float>();
    tile(real.x, real.y) = Halide::select(
        is_kept(weight(real.y)), widened(x(real.x, real.y), storage) * factor(real.y), 0.0f);
    tile(rest.x, rest.y) = Halide::select(rest.x == d && is_kept(weight(rest.y)), beyond, 0.0f);
    tile(tail.x, tail.y) = 0.0f;
    bind_tile(tile);
    bind_scalars(weight);
    bind_scalars(factor);
    x.dim(0).set_min(0).set_stride(1);
    x.dim(1).set_min(0);
    const RDom* parts[] = {&real, &rest, &tail};
    for (int k = 0; k < 3; k++) {
      Func(tile).update(k).allow_race_conditions().vectorize(parts[k]->x, lanes(), kGuard);
    }
  }

 private:
  Input<Halide::Buffer<>>* x_ = nullptr;
};

/// out(j, n) = tile(j, n) factor(n); 0 where `selects` and the factor is 0.
class TileStore : public TilePipeline<TileStore> {
 public:
  Halide::GeneratorParam<Storage> storage{"storage", Storage::f32, storages()};
  Input<Buffer2> tile{"tile"};
  Input<Buffer1> factor{"factor"};
  Input<int> selects{"selects"};

  void configure() { out_ = add_output<Halide::Buffer<>>("out", memory_type(storage), 2); }

  void generate() {
    auto& out = *out_;
    const Expr dropped = selects != 0 && !is_kept(factor(n_));
    out(j_, n_) = narrowed(
        Halide::strict_float(Halide::select(dropped, 0.0f, tile(j_, n_) * factor(n_))), storage);
    bind_tile(tile);
    bind_scalars(factor);
    out.dim(0).set_min(0).set_stride(1);
    out.dim(1).set_min(0);
    Func result = out;
    result.vectorize(j_, lanes(), kGuard);
  }

 private:
  Output<Halide::Buffer<>>* out_ = nullptr;
};

}  // namespace luna

HALIDE_REGISTER_GENERATOR(luna::TileLoad, tile_load)
HALIDE_REGISTER_GENERATOR(luna::TileStore, tile_store)
