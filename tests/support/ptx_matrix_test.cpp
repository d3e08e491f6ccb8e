// What tensor cores need in the PTX interpreter: ldmatrix, mma and conversions to pairs, against
// plain loops.
#include <cmath>
#include <cstring>
#include <random>

#include "tests/support/ptx_program.h"

namespace luna::test {
namespace {

/// a row-major and b column-major, of 16 elements of 16 bits or 8 of 32; c and d row-major 16 x 8
/// floats.
struct Matrices {
  uint32_t a[16][8], b[8][8];
  float c[16][8], d[16][8];
};

/// Fragments straight from memory, after the figures of the PTX manual.
std::string multiply(const std::string& type) {
  const std::string shape = type == "tf32" ? "m16n8k8" : "m16n8k16";
  return R"(
  shr.u32 %r2, %r1, 2;
  and.b32 %r3, %r1, 3;
  mul.lo.u32 %r4, %r2, 32;
  mad.lo.u32 %r4, %r3, 4, %r4;
  cvt.u64.u32 %d2, %r4;
  add.s64 %d2, %d2, %d1;
  ld.global.b32 %r5, [%d2];
  ld.global.b32 %r6, [%d2+256];
  ld.global.b32 %r7, [%d2+16];
  ld.global.b32 %r8, [%d2+272];
  ld.global.b32 %r9, [%d2+512];
  ld.global.b32 %r10, [%d2+528];
  mul.lo.u32 %r4, %r2, 32;
  mad.lo.u32 %r4, %r3, 8, %r4;
  cvt.u64.u32 %d2, %r4;
  add.s64 %d2, %d2, %d1;
  ld.global.v2.b32 {%r11, %r12}, [%d2+768];
  ld.global.v2.b32 {%r13, %r14}, [%d2+1024];
  mma.sync.aligned.)" +
         shape + ".row.col.f32." + type + "." + type +
         R"(.f32 {%r15, %r16, %r17, %r18}, {%r5, %r6, %r7, %r8}, {%r9, %r10},
    {%r11, %r12, %r13, %r14};
  st.global.v2.b32 [%d2+1280], {%r15, %r16};
  st.global.v2.b32 [%d2+1536], {%r17, %r18};
)";
}

template <class To, class From>
To cast(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}

/// Element k of a row.
float element(const uint32_t (&row)[8], int k, const std::string& type) {
  if (type == "tf32") return cast<float>(row[k] >> 13 << 13);
  const uint32_t half = row[k / 2] >> (k % 2 * 16) & 0xffff;
  if (type == "bf16") return cast<float>(half << 16);
  const int exponent = static_cast<int>(half >> 10 & 31), mantissa = static_cast<int>(half & 1023);
  const float size = std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
  return half >> 15 ? -size : size;
}

/// Two halves between 1/8 and 2 in size, or a float below 2 with more bits than tf32 has.
uint32_t draw_word(std::mt19937& engine, const std::string& type) {
  std::uniform_real_distribution<float> uniform(-2, 2);
  if (type == "tf32") return cast<uint32_t>(uniform(engine));
  std::uniform_int_distribution<uint32_t> exponent(12, 15), mantissa(0, 1023), sign(0, 1);
  uint32_t word = 0;
  for (int i = 0; i < 2; i++) {
    const uint32_t half = type == "bf16"
                              ? cast<uint32_t>(uniform(engine)) >> 16
                              : sign(engine) << 15 | exponent(engine) << 10 | mantissa(engine);
    word = word << 16 | half;
  }
  return word;
}

TEST(PtxMatrix, MultipliesFragments) {
  for (const std::string type : {"bf16", "f16", "tf32"}) {
    std::vector<Matrices> x(1);
    Matrices& m = x[0];
    std::mt19937 engine(3);
    std::normal_distribution<float> draw;
    for (auto& row : m.a)
      for (uint32_t& word : row) word = draw_word(engine, type);
    for (auto& row : m.b)
      for (uint32_t& word : row) word = draw_word(engine, type);
    for (auto& row : m.c)
      for (float& e : row) e = draw(engine);
    ASSERT_EQ(run_body(multiply(type), x), PtxResult{});
    for (int i = 0; i < 16; i++) {
      for (int j = 0; j < 8; j++) {
        double sum = m.c[i][j];
        for (int k = 0; k < (type == "tf32" ? 8 : 16); k++) {
          sum += double(element(m.a[i], k, type)) * element(m.b[j], k, type);
        }
        EXPECT_FLOAT_EQ(m.d[i][j], static_cast<float>(sum)) << type << ' ' << i << ", " << j;
      }
    }
  }
}

TEST(PtxMatrix, NeedsAWholeWarp) {
  std::vector<Matrices> x(1);
  EXPECT_NE(run_body(multiply("bf16"), x, {{1, 1, 1}, {8, 1, 1}, 0}).message.find("is not whole"),
            std::string::npos);
}

/// Four 8 x 8 matrices of 16-bit numbers 0, 1, 2 ..., rows of 16 bytes one after the other.
std::string load(const std::string& modifiers, int count, const std::string& before = "") {
  const std::string four[] = {"%r10", "%r11", "%r12", "%r13"};
  std::string words = four[0], stores;
  for (int i = 0; i < count; i++) {
    if (i) words += ", " + four[i];
    stores += "st.global.b32 [%d2+" + std::to_string(128 * i) + "], " + four[i] + ";\n";
  }
  return R"(.visible .entry k(.param .u64 x)
{
  .reg .b32 %r<20>;
  .reg .b64 %d<9>;
  .shared .align 16 .b8 matrices[512];
  ld.param.b64 %d1, [x];
  mov.u32 %r1, %tid.x;
  shl.b32 %r2, %r1, 4;
  mov.u32 %r3, matrices;
  add.u32 %r3, %r3, %r2;
  mad.lo.u32 %r4, %r1, 0x00080008, 0x00010000;
  add.u32 %r5, %r4, 0x00020002;
  add.u32 %r6, %r4, 0x00040004;
  add.u32 %r7, %r4, 0x00060006;
  st.shared.v4.b32 [%r3], {%r4, %r5, %r6, %r7};
  )" + before +
         "\nldmatrix.sync.aligned.m8n8." + modifiers + ".shared.b16 {" + words + R"(}, [%r3];
  mul.wide.u32 %d2, %r1, 4;
  add.s64 %d2, %d2, %d1;
)" + stores +
         "ret;\n}\n";
}

TEST(PtxMatrix, LoadsRowsAndColumns) {
  for (const bool transposed : {false, true}) {
    for (const int count : {1, 2, 4}) {
      std::vector<uint32_t> x(128, 7);
      void* address = x.data();
      const std::string modifiers = "x" + std::to_string(count) + (transposed ? ".trans" : "");
      ASSERT_EQ(run_ptx(load(modifiers, count, "bar.sync 0;"), {}, {&address}), PtxResult{});
      for (uint32_t i = 0; i < 128; i++) {
        const uint32_t g = i % 32 / 4, t = i % 4, first = i / 32 * 64;
        const uint32_t low = first + (transposed ? 16 * t + g : 8 * g + 2 * t);
        const uint32_t high = low + (transposed ? 8 : 1);
        EXPECT_EQ(x[i], int(i / 32) < count ? low | high << 16 : 7) << modifiers << " " << i;
      }
    }
  }
}

TEST(PtxMatrix, LoadsOnlyWhatABarrierHasPublished) {
  std::vector<uint32_t> x(128);
  void* address = x.data();
  for (const char* modifiers : {"x4", "x4.trans"}) {
    const PtxResult result = run_ptx(load(modifiers, 4), {}, {&address});
    EXPECT_NE(result.message.find("data race"), std::string::npos) << result;
  }
  const PtxResult odd = run_ptx(load("x4", 4, "bar.sync 0; add.u32 %r3, %r3, 8;"), {}, {&address});
  EXPECT_NE(odd.message.find("misaligned"), std::string::npos) << odd;
}

/// Element (row, column) is 8 row + column.
TEST(PtxMatrix, TransposesAMatrix) {
  std::vector<uint32_t> x(32);
  const std::string body = R"(
  shl.b32 %r2, %r1, 1;
  mad.lo.u32 %r3, %r2, 0x00010001, 0x00010000;
  movmatrix.sync.aligned.m8n8.trans.b16 %r4, %r3;
  mul.wide.u32 %d2, %r1, 4;
  add.s64 %d2, %d2, %d1;
  st.global.b32 [%d2], %r4;
)";
  ASSERT_EQ(run_body(body, x), PtxResult{});
  for (uint32_t i = 0; i < 32; i++) {
    const uint32_t low = 16 * (i % 4) + i / 4;
    EXPECT_EQ(x[i], low | (low + 8) << 16) << i;
  }
}

TEST(PtxMatrix, ComparesHalves) {
  // 1025 and 3; 1025 and NaN; 0 and -0; 1025 and 5.
  std::vector<uint32_t> x{0x42006401, 0x7e006401, 0x80000000, 0x45006401, 0, 0, 0, 0};
  const std::string body = R"(
  and.b32 %r2, %r1, 3;
  mul.wide.u32 %d2, %r2, 4;
  add.s64 %d2, %d2, %d1;
  ld.global.b32 %r3, [%d2];
  set.eq.f16x2.f16x2 %r4, %r3, 0x42006401;
  setp.eq.u32 %p1, %r2, 2;
  @%p1 set.eq.f16x2.f16x2 %r4, %r3, 0;
  setp.eq.u32 %p1, %r2, 1;
  @%p1 set.eq.f16x2.f16x2 %r4, %r3, %r3;
  setp.lt.u32 %p1, %r1, 4;
  @%p1 st.global.b32 [%d2+16], %r4;
)";
  ASSERT_EQ(run_body(body, x), PtxResult{});
  EXPECT_EQ(x[4], 0x3c003c00u);
  EXPECT_EQ(x[5], 0x00003c00u);
  EXPECT_EQ(x[6], 0x3c003c00u);
  EXPECT_EQ(x[7], 0x00003c00u);
}

}  // namespace
}  // namespace luna::test
