// The approximate functions: computed in double, rounded once. The hardware's own results differ
// from these within the error that PTX states.
#include "tests/support/ptx/alu.h"
#include "tests/support/ptx/flush.h"

namespace luna::test::ptx {
namespace {

struct Divide {
  double operator()(double a, double b) const { return a / b; }
};
struct Reciprocal {
  double operator()(double a) const { return 1 / a; }
};
struct SquareRoot {
  double operator()(double a) const { return std::sqrt(a); }
};
struct ReciprocalRoot {
  double operator()(double a) const { return 1 / std::sqrt(a); }
};
struct Exp2 {
  double operator()(double a) const { return std::exp2(a); }
};
struct Log2 {
  double operator()(double a) const { return std::log2(a); }
};
struct Sine {
  double operator()(double a) const { return std::sin(a); }
};
struct Cosine {
  double operator()(double a) const { return std::cos(a); }
};
struct Tanh {
  double operator()(double a) const { return std::tanh(a); }
};

template <class Op, bool kFlush>
struct Approximate {
  template <class... A>
  float operator()(A... a) const {
    const float result = static_cast<float>(kFlush ? Op{}(flush(a)...) : Op{}(a...));
    return canonical(kFlush ? flush(result) : result);
  }
};

template <class Op, class... A>
Alu find_approximate(Opcode& opcode) {
  if (opcode.take_one_of({"approx", "full"}).empty()) return {};
  const bool flushed = opcode.take("ftz");
  if (opcode.take_type() != Type::kF32) return {};
  return flushed ? make_alu<Approximate<Op, true>, float, A...>(Work::kFloat)
                 : make_alu<Approximate<Op, false>, float, A...>(Work::kFloat);
}

}  // namespace

const Finders& special_finders() {
  static const Finders finders{{"div", &find_approximate<Divide, float, float>},
                               {"rcp", &find_approximate<Reciprocal, float>},
                               {"sqrt", &find_approximate<SquareRoot, float>},
                               {"rsqrt", &find_approximate<ReciprocalRoot, float>},
                               {"ex2", &find_approximate<Exp2, float>},
                               {"lg2", &find_approximate<Log2, float>},
                               {"sin", &find_approximate<Sine, float>},
                               {"cos", &find_approximate<Cosine, float>},
                               {"tanh", &find_approximate<Tanh, float>}};
  return finders;
}

}  // namespace luna::test::ptx
