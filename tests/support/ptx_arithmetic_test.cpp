// Single instructions of the PTX interpreter against their results, on all lanes of a warp and on a
// part of it.
#include <cmath>
#include <cstring>
#include <limits>

#include "tests/support/ptx_program.h"

namespace luna::test {
namespace {

/// The bits of a float or a double.
uint64_t f(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}
uint64_t d(double value) {
  uint64_t bits;
  std::memcpy(&bits, &value, 8);
  return bits;
}
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kTiny = 1e-40f;
constexpr float kEpsilon = 0x1p-23f;
constexpr uint64_t kNan = 0x7fffffff;
constexpr uint64_t kAll = 0xffffffff;

/// Sources %h, %r, %d 1 to 3 hold a, b, c; %p3 holds c != 0; the result is %h4, %r4, %d4 or %p1.
struct Row {
  std::string instruction;
  uint64_t expected;
  uint64_t a = 0, b = 0, c = 0;
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.instruction << " of " << std::hex << row.a << ", " << row.b << ", " << row.c;
}

std::string kernel_of(const std::string& instruction) {
  const char kind = instruction[instruction.find('%') + 1];
  const std::string result = kind == 'h'   ? "cvt.u64.u16 %d4, %h4;"
                             : kind == 'r' ? "cvt.u64.u32 %d4, %r4;"
                             : kind == 'p' ? "selp.b64 %d4, 1, 0, %p1;"
                                           : "";
  return ptx_kernel(R"(
  ld.global.b64 %d2, [%d1+8];
  ld.global.b64 %d3, [%d1+16];
  mul.wide.u32 %d7, %r1, 8;
  add.s64 %d7, %d7, %d1;
  ld.global.b64 %d1, [%d1];
  cvt.u32.u64 %r1, %d1;
  cvt.u32.u64 %r2, %d2;
  cvt.u32.u64 %r3, %d3;
  cvt.u16.u64 %h1, %d1;
  cvt.u16.u64 %h2, %d2;
  setp.ne.u32 %p3, %r3, 0;
  )" + instruction + ";" +
                    result + "\nst.global.b64 [%d7+24], %d4;");
}

class Arithmetic : public ::testing::TestWithParam<Row> {};

TEST_P(Arithmetic, MatchesOnEveryLane) {
  const Row& row = GetParam();
  for (const unsigned threads : {32u, 5u}) {
    std::vector<uint64_t> x(3 + 32, 7);
    x[0] = row.a, x[1] = row.b, x[2] = row.c;
    void* address = x.data();
    ASSERT_EQ(run_ptx(kernel_of(row.instruction), {{1, 1, 1}, {threads, 1, 1}, 0}, {&address}),
              PtxResult{});
    for (unsigned lane = 0; lane < 32; lane++) {
      ASSERT_EQ(x[3 + lane], lane < threads ? row.expected : 7) << "lane " << lane;
    }
  }
}

const Row kIntegers[] = {
    {"add.s32 %r4, %r1, %r2", kAll, 2, uint64_t(-3)},
    {"add.s64 %d4, %d1, -1", 0xffffffff, uint64_t(1) << 32},
    {"sub.s16 %h4, %h1, %h2", 0xffff, 2, 3},
    {"mul.lo.s32 %r4, %r1, %r2", 0xfffffffa, 2, uint64_t(-3)},
    {"mul.lo.u64 %d4, %d1, %d2", uint64_t(-6), 2, uint64_t(-3)},
    {"mul.hi.u32 %r4, %r1, %r2", 0xfffffffe, kAll, kAll},
    {"mul.hi.s32 %r4, %r1, %r2", 0, kAll, kAll},
    {"mul.hi.u64 %d4, %d1, %d2", 1, uint64_t(1) << 63, 2},
    {"mul.wide.u32 %d4, %r1, %r2", 0xfffffffe00000001, kAll, kAll},
    {"mul.wide.s32 %d4, %r1, 16", uint64_t(-16), kAll},
    {"mul.wide.u16 %r4, %h1, %h2", 0xfffe0001, 0xffff, 0xffff},
    {"mad.lo.s32 %r4, %r1, %r2, %r3", 11, 2, 3, 5},
    {"mad.hi.u32 %r4, %r1, %r2, %r3", 0xffffffff, kAll, kAll, 1},
    {"mad.wide.s32 %d4, %r1, %r2, %d3", 3, kAll, 2, 5},
    {"div.s32 %r4, %r1, %r2", uint64_t(uint32_t(-3)), uint64_t(-7), 2},
    {"div.s32 %r4, %r1, %r2", 0x80000000, 0x80000000, kAll},
    {"div.u32 %r4, %r1, %r2", 0x7ffffffc, uint64_t(-7), 2},
    {"div.u32 %r4, %r1, %r2", kAll, 7, 0},
    {"rem.s32 %r4, %r1, %r2", kAll, uint64_t(-7), 2},
    {"rem.u64 %d4, %d1, %d2", 1, 7, 3},
    {"min.s32 %r4, %r1, %r2", kAll, kAll, 1},
    {"min.u32 %r4, %r1, %r2", 1, kAll, 1},
    {"max.s64 %d4, %d1, %d2", 1, uint64_t(-1), 1},
    {"neg.s32 %r4, %r1", kAll, 1},
    {"abs.s32 %r4, %r1", 5, uint64_t(-5)},
    {"and.b32 %r4, %r1, 0xf0", 0x20, 0x123, 0},
    {"or.b64 %d4, %d1, %d2", 0x300000001, 1, 0x300000000},
    {"xor.b16 %h4, %h1, %h2", 6, 5, 3},
    {"not.b32 %r4, %r1", 0xfffffffe, 1},
    {"and.pred %p1, %p3, 1", 1, 0, 0, 4},
    {"not.pred %p1, %p3", 0, 0, 0, 4},
    {"mov.pred %p1, -1", 1},
    {"shl.b32 %r4, %r1, %r2", 0, 1, 32},
    {"shl.b64 %d4, %d1, 40", uint64_t(1) << 40, 1},
    {"shr.u32 %r4, %r1, %r2", 0, kAll, 33},
    {"shr.s32 %r4, %r1, %r2", kAll, 0x80000000, 99},
    {"shr.s64 %d4, %d1, 1", uint64_t(-1), uint64_t(-2)},
    {"bfe.u32 %r4, %r1, 4, 8", 0xbc, 0xabcd},
    {"bfe.s32 %r4, %r1, 4, 8", 0xffffffbc, 0xabcd},
    {"bfe.s32 %r4, %r1, 28, 9", 0xfffffff8, 0x80000000},
    {"bfi.b32 %r4, %r1, %r2, 8, 4", 0x1245, 0xf2, 0x1345},
    {"popc.b32 %r4, %r1", 3, 0x70},
    {"popc.b64 %r4, %d1", 64, uint64_t(-1)},
    {"clz.b32 %r4, %r1", 32, 0},
    {"clz.b64 %r4, %d1", 63, 1},
    {"brev.b32 %r4, %r1", 0x80000000, 1},
    {"prmt.b32 %r4, %r1, %r2, 0x7040", 0x22884488, 0x11000088, 0x22000044},
    {"prmt.b32 %r4, %r1, %r2, 0x888f", 0x000000ff, 0x00000011, 0x80000000},
    {"shf.l.wrap.b32 %r4, %r1, %r2, 8", 0x345678ab, 0xabcdef01, 0x12345678},
    {"shf.r.clamp.b32 %r4, %r1, %r2, 40", 0x12345678, 0xabcdef01, 0x12345678},
    {"lop3.b32 %r4, %r1, %r2, %r3, 0x96", 0xf ^ 0x33 ^ 0x55, 0xf, 0x33, 0x55},
    {"selp.b32 %r4, %r1, %r2, %p3", 5, 5, 6, 1},
    {"selp.b64 %d4, %d1, -2, %p3", uint64_t(-2), 5, 6, 0},
    {"mov.b64 %d4, {%r1, %r2}", 0x300000002, 2, 3},
    {"mov.b64 {_, %r4}, %d1", 3, 0x300000002},
    {"mov.b32 %r4, {%h1, %h2}", 0x30002, 2, 3},
    {"mov.b32 {%h4, %h5}, %r1", 2, 0x30002},
};

const Row kFloats[] = {
    {"add.f32 %r4, %r1, %r2", f(3.5f), f(1), f(2.5f)},
    {"add.rn.ftz.f32 %r4, %r1, %r2", f(0), f(kTiny), f(kTiny)},
    {"add.f32 %r4, %r1, %r2", f(kTiny + kTiny), f(kTiny), f(kTiny)},
    {"add.f32 %r4, %r1, %r2", kNan, f(kInf), f(-kInf)},
    {"add.rz.f32 %r4, %r1, %r2", f(1), f(1), f(kEpsilon / 4 * 3)},
    {"add.rp.f32 %r4, %r1, %r2", f(1 + kEpsilon), f(1), f(kTiny)},
    {"add.sat.f32 %r4, %r1, %r2", f(1), f(1), f(1)},
    {"add.f64 %d4, %d1, 0d3FF0000000000000", d(2.5), d(1.5)},
    {"mul.f64 %d4, %d1, %d2", d(0.1 * 0.3), d(0.1), d(0.3)},
    {"abs.f64 %d4, %d1", d(INFINITY), d(-INFINITY)},
    {"neg.f64 %d4, %d1", d(-0.0), d(0)},
    {"sub.f32 %r4, %r1, 0f3F800000", f(-1), f(0)},
    {"mul.f32 %r4, %r1, %r2", f(-0.0f), f(-1), f(0)},
    {"mul.ftz.f32 %r4, %r1, %r2", f(-0.0f), f(-1e-30f), f(1e-10f)},
    {"fma.rn.f32 %r4, %r1, %r2, %r3", f(0x1p-46f), f(1 + kEpsilon), f(1 + kEpsilon),
     f(-(1 + 2 * kEpsilon))},
    {"fma.rm.f32 %r4, %r1, %r2, %r3", f(1 - kEpsilon / 2), f(1), f(1), f(-kTiny)},
    {"fma.rn.f64 %d4, %d1, %d2, %d3", d(7), d(2), d(3), d(1)},
    {"mad.rn.f32 %r4, %r1, %r2, %r3", f(7), f(2), f(3), f(1)},
    {"div.rn.f32 %r4, %r1, %r2", f(1.0f / 3), f(1), f(3)},
    {"div.full.f32 %r4, %r1, %r2", f(0.5f), f(1), f(2)},
    {"div.rn.f64 %d4, %d1, %d2", d(1.0 / 3), d(1), d(3)},
    {"rcp.rn.f32 %r4, %r1", f(1.0f / 3), f(3)},
    {"rcp.approx.ftz.f32 %r4, %r1", f(kInf), f(kTiny)},
    {"sqrt.rn.f32 %r4, %r1", f(std::sqrt(2.0f)), f(2)},
    {"rsqrt.approx.f32 %r4, %r1", f(0.5f), f(4)},
    {"ex2.approx.ftz.f32 %r4, %r1", f(std::exp2(0.3f)), f(0.3f)},
    {"lg2.approx.f32 %r4, %r1", f(-3), f(0.125f)},
    {"sin.approx.f32 %r4, %r1", f(0), f(0)},
    {"cos.approx.f32 %r4, %r1", f(1), f(0)},
    {"tanh.approx.f32 %r4, %r1", f(std::tanh(0.5f)), f(0.5f)},
    {"neg.f32 %r4, %r1", f(-0.0f), f(0)},
    {"abs.f32 %r4, %r1", f(2), f(-2)},
    {"copysign.f32 %r4, %r1, %r2", f(-3), f(-1), f(3)},
    {"min.f32 %r4, %r1, %r2", f(-0.0f), f(0), f(-0.0f)},
    {"max.f32 %r4, %r1, %r2", f(0), f(-0.0f), f(0)},
    {"max.f32 %r4, %r1, %r2", f(2), kNan, f(2)},
    {"max.NaN.f32 %r4, %r1, %r2", kNan, kNan, f(2)},
    {"min.f32 %r4, %r1, %r2", kNan, 0xffc00000, 0x7fc00001},
};

const Row kComparisons[] = {
    {"setp.lt.s32 %p1, %r1, %r2", 1, kAll, 1},
    {"setp.lt.u32 %p1, %r1, %r2", 0, kAll, 1},
    {"setp.hs.u32 %p1, %r1, %r2", 1, kAll, 1},
    {"setp.ne.b32 %p1, %r1, 0", 1, 5},
    {"setp.ge.s64 %p1, %d1, 0", 0, uint64_t(-1)},
    {"setp.eq.f32 %p1, %r1, %r2", 1, f(0), f(-0.0f)},
    {"setp.eq.ftz.f32 %p1, %r1, %r2", 1, f(kTiny), f(0)},
    {"setp.ne.f32 %p1, %r1, %r2", 0, kNan, f(1)},
    {"setp.neu.f32 %p1, %r1, %r2", 1, kNan, f(1)},
    {"setp.equ.f32 %p1, %r1, %r2", 1, kNan, f(1)},
    {"setp.ltu.f32 %p1, %r1, %r2", 0, f(2), f(1)},
    {"setp.leu.f32 %p1, %r1, %r2", 1, kNan, f(1)},
    {"setp.gtu.f32 %p1, %r1, %r2", 1, f(2), f(1)},
    {"setp.geu.f64 %p1, %d1, %d2", 0, d(1), d(2)},
    {"setp.le.f64 %p1, %d1, 0d7FF0000000000000", 0, d(NAN)},
    {"setp.nan.f32 %p1, %r1, %r2", 1, f(1), kNan},
    {"setp.num.f32 %p1, %r1, %r2", 0, f(1), kNan},
    {"setp.lt.and.s32 %p1, %r1, %r2, %p3", 0, 1, 2, 0},
    {"setp.lt.and.s32 %p1, %r1, %r2, !%p3", 1, 1, 2, 0},
    {"setp.lt.or.s32 %p1, %r1, %r2, %p3", 1, 3, 2, 1},
    {"setp.lt.xor.s32 %p1, %r1, %r2, %p3", 0, 1, 2, 1},
    {"setp.lt.s32 %p2|%p1, %r1, %r2", 0, 1, 2},
    {"set.gt.u32.f32 %r4, %r1, %r2", kAll, f(2), f(1)},
    {"set.gt.f32.s32 %r4, %r1, %r2", f(1), 2, 1},
};

const Row kConversions[] = {
    {"cvt.u64.u32 %d4, %r1", kAll, uint64_t(-1)},
    {"cvt.s64.s32 %d4, %r1", uint64_t(-1), kAll},
    {"cvt.s32.s8 %r4, %r1", 0xffffff80, 0x180},
    {"cvt.u32.u16 %r4, %h1", 0xffff, 0xfffff},
    {"cvt.s32.s16 %r4, %h1", kAll, 0xfffff},
    {"cvt.sat.u8.s32 %r4, %r1", 255, 300},
    {"cvt.sat.s16.s32 %r4, %r1", 0xffff8000, uint64_t(-40000)},
    {"cvt.rn.f32.s32 %r4, %r1", f(-2), uint64_t(-2)},
    {"cvt.rn.f32.u32 %r4, %r1", f(0x1p32f), kAll},
    {"cvt.rz.f32.u32 %r4, %r1", f(0xffffff00p0f), kAll},
    {"cvt.rn.f64.s64 %d4, %d1", d(-2), uint64_t(-2)},
    {"cvt.rzi.s32.f32 %r4, %r1", uint32_t(-2), f(-2.7f)},
    {"cvt.rni.s32.f32 %r4, %r1", 2, f(2.5f)},
    {"cvt.rmi.s32.f32 %r4, %r1", uint32_t(-3), f(-2.5f)},
    {"cvt.rpi.s32.f32 %r4, %r1", 3, f(2.1f)},
    {"cvt.rzi.s32.f32 %r4, %r1", 0x7fffffff, f(3e9f)},
    {"cvt.rzi.u32.f32 %r4, %r1", 0, f(-1)},
    {"cvt.rzi.s32.f32 %r4, %r1", 0, kNan},
    {"cvt.rzi.s64.f32 %d4, %r1", uint64_t(1) << 63, kNan},
    {"cvt.rmi.ftz.f32.f32 %r4, %r1", f(-0.0f), f(-kTiny)},
    {"cvt.rmi.f32.f32 %r4, %r1", f(-1), f(-kTiny)},
    {"cvt.sat.f32.f32 %r4, %r1", 0, kNan},
    {"cvt.rn.f32.f64 %r4, %d1", f(1.0f / 3), d(1.0 / 3)},
    {"cvt.rp.f32.f64 %r4, %d1", f(1 + kEpsilon), d(1 + 0x1p-50)},
    {"cvt.rp.f32.f64 %r4, %d1", f(kInf), d(1e300)},
    {"cvt.rp.f32.f64 %r4, %d1", f(-0x1.fffffep127f), d(-1e300)},
    {"cvt.f64.f32 %d4, %r1", d(0.5), f(0.5f)},
    {"cvt.f32.f16 %r4, %h1", f(1.5f), 0x3e00},
    {"cvt.rn.f16.f32 %h4, %r1", 0x3c01, f(1 + 0x1p-10f + 0x1p-12f)},
    {"cvt.f32.bf16 %r4, %h1", f(1.5f), 0x3fc0},
    {"cvt.rn.bf16.f32 %h4, %r1", 0x3f80, f(1 + 0x1p-8f)},
    {"cvt.rn.bf16x2.f32 %r4, %r1, %r2", 0x3f80bf81, f(1 + 0x1p-8f), f(-1 - 0x1p-7f)},
    {"cvt.rn.f16x2.f32 %r4, %r1, %r2", 0x3c017fff, f(1 + 0x1p-10f + 0x1p-12f),
     f(-std::sqrt(-1.0f))},
};

INSTANTIATE_TEST_SUITE_P(Integers, Arithmetic, ::testing::ValuesIn(kIntegers));
INSTANTIATE_TEST_SUITE_P(Floats, Arithmetic, ::testing::ValuesIn(kFloats));
INSTANTIATE_TEST_SUITE_P(Comparisons, Arithmetic, ::testing::ValuesIn(kComparisons));
INSTANTIATE_TEST_SUITE_P(Conversions, Arithmetic, ::testing::ValuesIn(kConversions));

}  // namespace
}  // namespace luna::test
