// Memory in the PTX interpreter: every width and space, atomics, and the counts of work.
#include "tests/support/ptx_program.h"

namespace luna::test {
namespace {

TEST(Ptx, LoadsAndStoresEveryWidth) {
  std::vector<uint32_t> x(32, 0x8182f3f4);
  ASSERT_EQ(run_body(R"(
  setp.ne.u32 %p1, %r1, 0;
  @%p1 ret;
  ld.global.nc.u8 %r2, [%d1];
  ld.volatile.global.s8 %r3, [%d1+1];
  ld.global.u16 %h1, [%d1+2];
  ld.global.s16 %d3, [%d1+2];
  ld.global.v4.b8 {%r4, %r5, %r6, _}, [%d1];
  st.global.u8 [%d1+5], %r2;
  st.global.u16 [%d1+6], %h1;
  st.global.v2.b32 [%d1+8], {%r3, 7};
  st.global.v2.b64 [%d1+16], {%d3, 0d3FF0000000000000};
  st.global.v4.u32 [%d1+32], {%r4, %r5, %r6, 0f3F800000};
)",
                     x),
            PtxResult{});
  const std::vector<uint32_t> expected{0x8182f3f4, 0x8182f4f4, 0xfffffff3, 7,
                                       0xffff8182, 0xffffffff, 0,          0x3ff00000,
                                       0xf4,       0xf3,       0x82,       0x3f800000};
  EXPECT_EQ(std::vector<uint32_t>(x.begin(), x.begin() + 12), expected);
}

TEST(Ptx, ReadsConstantsParametersAndLocalMemory) {
  std::vector<float> x(32);
  void* address = x.data();
  uint32_t words[3] = {10, 20, 30};
  float half = 0.5f;
  ASSERT_EQ(run_ptx(R"(
.const .align 4 .b8 bytes[8] = {1, 0, 0, 0, 2, 0, 0, 0};
.const .align 4 .f32 floats[2] = {0f40800000, 0f41000000};
.global .align 4 .u32 total = 100;
.visible .entry k(.param .f32 half, .param .u64 .ptr .align 16 x, .param .align 4 .b8 words[12])
.maxntid 32, 1, 1
{
  .local .align 16 .b8 depot[16];
  .reg .b64 %SP, %SPL;
  .reg .b32 %r<9>;
  .reg .b64 %d<9>;
  mov.b64 %SPL, depot;
  cvta.local.u64 %SP, %SPL;
  ld.param.u64 %d1, [x];
  cvta.to.global.u64 %d1, %d1;
  ld.param.f32 %r1, [half];
  mov.b64 %d2, words;
  ld.param.u32 %r2, [%d2+8];
  ld.const.u32 %r3, [bytes+4];
  ld.const.f32 %r4, [floats+4];
  mov.u32 %r5, %tid.x;
  st.local.v2.u32 [%SPL+8], {%r5, %r3};
  ld.u32 %r6, [%SP+8];
  ld.global.u32 %r7, [total];
  add.u32 %r6, %r6, %r2;
  add.u32 %r6, %r6, %r3;
  add.u32 %r6, %r6, %r7;
  cvt.rn.f32.u32 %r6, %r6;
  fma.rn.f32 %r6, %r1, %r4, %r6;
  mul.wide.u32 %d3, %r5, 4;
  add.s64 %d3, %d3, %d1;
  st.global.f32 [%d3], %r6;
  ret;
})",
                    {}, {&half, &address, words}),
            PtxResult{});
  for (int i = 0; i < 32; i++) EXPECT_EQ(x[i], i + 30 + 2 + 100 + 0.5f * 8);
}

TEST(Ptx, UpdatesAtomically) {
  std::vector<uint32_t> x{0, 0x3f800000, 7, 100, 0, 0, 0, 0};
  ASSERT_EQ(run_body(R"(
  atom.global.add.u32 %r2, [%d1], 1;
  red.global.add.f32 [%d1+4], 0f3F000000;
  atom.global.max.s32 %r3, [%d1+8], %r1;
  atom.global.inc.u32 %r3, [%d1+16], 3;
  atom.global.cas.b32 %r4, [%d1+12], 100, %r1;
  setp.eq.u32 %p1, %r1, 0;
  @%p1 st.shared.u32 [0], 5;
  bar.sync 0;
  atom.shared.add.u32 %r5, [0], 2;
  bar.sync 0;
  ld.shared.u32 %r5, [0];
  red.global.max.u32 [%d1+20], %r5;
  red.global.or.b32 [%d1+24], %r2;
)",
                     x, {{2, 1, 1}, {64, 1, 1}, 4}),
            PtxResult{});
  EXPECT_EQ(x, (std::vector<uint32_t>{128, 0x42820000, 63, 0, 0, 5 + 128, 127, 0}));
}

TEST(Ptx, CountsWorkByClass) {
  std::vector<float> x(32);
  take_ptx_counts();
  ASSERT_EQ(run_body(kOwnWord + R"(
  ld.global.f32 %r2, [%d2];
  st.shared.f32 [0], %r2;
  fma.rn.f32 %r2, %r2, %r2, %r2;
  add.f32 %r2, %r2, %r2;
  setp.eq.u32 %p1, %r1, 0;
  @!%p1 add.s32 %r1, %r1, 1;
)",
                     x, {{3, 1, 1}, {1, 1, 1}, 4}),
            PtxResult{});
  const PtxCounts counts = take_ptx_counts().at("k");
  EXPECT_EQ(counts.fma, 3);
  EXPECT_EQ(counts.other_float, 3);
  EXPECT_EQ(counts.integer, 9) << "of a guarded instruction only the lanes that run it";
  EXPECT_EQ(counts.global_memory, 3);
  EXPECT_EQ(counts.shared_memory, 3);
  EXPECT_EQ(counts.control, 3);
  EXPECT_EQ(counts.other, 6);
  EXPECT_EQ(counts.total(), 30);
  EXPECT_TRUE(take_ptx_counts().empty());
}

/// Of 32 lanes: a word each side by side, the same word, rows of 64 bytes by vectors of 16, and the
/// even lanes' words backwards; lanes are located one by one where no memory is registered.
TEST(Ptx, CountsTheSectorsOfEveryAccess) {
  std::vector<float> x(32 * 16 + 8);
  void* address = x.data() + (32 - reinterpret_cast<uintptr_t>(x.data()) % 32) % 32 / 4;
  take_ptx_counts();
  const auto count = [&](const std::string& body) {
    EXPECT_EQ(run_ptx(ptx_kernel(kOwnWord + body), {}, {&address}), PtxResult{});
    const PtxCounts counts = take_ptx_counts().at("k");
    return std::pair(counts.sectors_loaded, counts.sectors_stored);
  };
  for (const bool registered : {false, true}) {
    SCOPED_TRACE(registered ? "registered memory" : "any memory");
    if (registered) register_global(x.data(), x.size() * sizeof(float));
    EXPECT_EQ(count("ld.global.f32 %r2, [%d2]; st.global.f32 [%d2], %r2;"), std::pair(4ul, 4ul));
    EXPECT_EQ(count("ld.global.f32 %r2, [%d1]; ld.global.f32 %r2, [%d1];"), std::pair(2ul, 0ul));
    EXPECT_EQ(count("mul.wide.u32 %d3, %r1, 64; add.s64 %d3, %d3, %d1;"
                    "st.global.v4.f32 [%d3], {%r1, %r1, %r1, %r1};"
                    "st.global.v4.f32 [%d3+16], {%r1, %r1, %r1, %r1};"),
              std::pair(0ul, 64ul));
    EXPECT_EQ(count("mul.wide.u32 %d3, %r1, 4; sub.s64 %d3, %d1, %d3; and.b32 %r2, %r1, 1;"
                    "setp.eq.u32 %p1, %r2, 0; @%p1 ld.global.f32 %r2, [%d3+124];"),
              std::pair(4ul, 0ul));
    EXPECT_EQ(count("atom.global.add.f32 %r2, [%d1], 0f00000000;"), std::pair(0ul, 1ul));
  }
  unregister_global(x.data(), x.size() * sizeof(float));
}

}  // namespace
}  // namespace luna::test
