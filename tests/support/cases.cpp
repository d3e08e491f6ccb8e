#include "tests/support/cases.h"

#include <algorithm>
#include <random>
#include <sstream>

#include "runtime/ops/checks.h"
#include "runtime/ops/fixed_maps.h"
#include "tests/support/inputs.h"
#include "tests/support/shapes.h"

namespace luna::test {
namespace {

class Draw {
 public:
  explicit Draw(uint64_t seed) : engine_(seed) {}

  template <typename T>
  T from(const std::vector<T>& values) {
    return values[engine_() % values.size()];
  }
  bool chance(int one_in) { return engine_() % one_in == 0; }
  uint64_t seed() { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

/// One batch and few heads where the sequence is long, so that the float64 oracle stays quick.
Shape draw_shape(Draw& draw, int i) {
  using namespace shapes;
  Shape s{};
  s.N = kTokens[i % kTokens.size()];
  const bool large = s.N >= 1000;
  s.B = large ? 1 : (i % 19 == 7 ? 0 : std::max<int64_t>(1, draw.from(kBatch)));
  s.Hk = large ? 1 : draw.from(kKeyHeads);
  s.H = s.Hk * draw.from(kGroup);
  s.Nq = draw.from(kQueries);
  s.d = draw.from(kHeadSize);
  s.dv = draw.chance(2) ? s.d : draw.from(kHeadSize);
  s.m = draw.from(kProjections);
  s.L = draw.from(kChannels);
  s.hid = large ? std::min<int64_t>(64, draw.from(kHidden)) : draw.from(kHidden);
  return s;
}

void draw_common(Draw& draw, Case& c) {
  c.layout = draw.from<Layout>({Layout::contiguous, Layout::tokens_first, Layout::tokens_first,
                                Layout::sliced, Layout::expanded, Layout::last_stride});
  c.mask = draw.from<MaskKind>({MaskKind::none, MaskKind::none, MaskKind::random,
                                MaskKind::keep_all, MaskKind::drop_one_batch});
  c.expanded_grad = draw.chance(6);
  c.seed = draw.seed();
  c.spec.denominator = draw.from<std::string>({"add_eps", "clamp_min"});
  c.spec.eps = draw.from<double>({1e-6, 1e-6, 1e-3, 0.5});
}

bool takes_heads(const std::string& name) {
  const auto& params = ops::find_fixed_map(name).params();
  return std::any_of(params.begin(), params.end(), [](const ops::MapParam& param) {
    return param.heads == ops::ParamHeads::any;
  });
}

}  // namespace

std::vector<std::string> fused_map_names() { return ops::fixed_map_variants(); }

std::vector<std::string> causal_map_names() {
  std::vector<std::string> names = fused_map_names();
  names.erase(std::remove(names.begin(), names.end(), "cosformer"), names.end());
  return names;
}

std::vector<Case> random_luna_cases(int count, uint64_t seed,
                                    const std::vector<std::string>& activations) {
  Draw draw(seed);
  std::vector<Case> cases;
  for (int i = 0; i < count; ++i) {
    Case c;
    c.shape = draw_shape(draw, i);
    draw_common(draw, c);
    c.separate = draw.chance(3);
    c.spec.activation = draw.from(activations);
    c.spec.nonneg = !draw.chance(4);
    c.spec.envelope = draw.from<std::string>({"none", "none", "none", "exp", "norm"});
    c.spec.ch_rms_target = draw.from<double>({0.0, 0.0, 0.0, 0.1, 10.0});
    c.spec.psi =
        c.spec.activation == "relu" ? draw.from<std::string>({"auto", "pwl", "dense"}) : "auto";
    // Two knots a unit, of L hid units where psi is separate.
    if (c.spec.activation == "hardtanh") c.shape.hid = std::min<int64_t>(c.shape.hid, 65);
    c.spec.feature_eps = draw.from<double>({0.0, 0.0, 1e-2});
    cases.push_back(c);
  }
  return cases;
}

std::vector<Case> random_fixed_cases(int count, uint64_t seed,
                                     const std::vector<std::string>& maps) {
  Draw draw(seed);
  std::vector<Case> cases;
  for (int i = 0; i < count; ++i) {
    Case c;
    c.shape = draw_shape(draw, i / static_cast<int>(maps.size()));
    draw_common(draw, c);
    c.spec.feature_map = maps[i % maps.size()];
    const ops::NamedMap map = ops::find_fixed_map(c.spec.feature_map);
    if (map->columns == ops::ValueColumns::by_polarity) c.shape.dv += c.shape.dv % 2;
    if (c.spec.feature_map == "dpfp:3") c.shape.d = std::max<int64_t>(c.shape.d, 2);  // 2 d > 3
    c.per_head = takes_heads(c.spec.feature_map) && draw.chance(2);
    cases.push_back(c);
  }
  return cases;
}

Case small_case(const std::string& feature_map) {
  Case c;
  c.shape = {2, 4, 2, 9, 37, 16, 12, 6, 4, 13};
  c.spec.feature_map = feature_map;
  c.seed = 7;
  return c;
}

Case segment_case() {
  Case c = small_case();
  c.shape.N = c.shape.Nq = 160;
  c.shape.hid = 5;
  return c;
}

std::string describe(const Case& c) {
  static const char* const kLayouts[] = {"contiguous", "tokens_first", "sliced", "expanded",
                                         "last_stride"};
  static const char* const kMasks[] = {"none", "random", "keep_all", "drop_one_batch"};
  const Shape& s = c.shape;
  std::ostringstream out;
  out << c.spec.feature_map << " B" << s.B << " H" << s.H << " Hk" << s.Hk << " Nq" << s.Nq << " N"
      << s.N << " d" << s.d << " dv" << s.dv << " m" << s.m;
  if (c.spec.learned()) {
    out << " L" << s.L << " hid" << s.hid << (c.separate ? " separate " : " shared ")
        << c.spec.activation << " psi=" << c.spec.psi << (c.spec.nonneg ? "" : " signed")
        << " envelope=" << c.spec.envelope << " ch_rms=" << c.spec.ch_rms_target
        << " feature_eps=" << c.spec.feature_eps;
  }
  out << (c.per_head ? " per_head " : " ") << (c.spec.causal ? "causal " : "") << c.spec.denominator
      << "=" << c.spec.eps << " layout=" << kLayouts[static_cast<int>(c.layout)]
      << " mask=" << kMasks[static_cast<int>(c.mask)] << (c.expanded_grad ? " expanded_grad" : "");
  if (!c.begins.empty()) out << " packed";
  for (const int64_t begin : c.begins) out << "," << begin;
  return out.str();
}

void PrintTo(const Case& c, std::ostream* out) { *out << describe(c); }

}  // namespace luna::test
