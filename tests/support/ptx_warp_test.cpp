// Lanes, warps and blocks in the PTX interpreter: divergence, exchanges, barriers.
#include "tests/support/ptx_program.h"

namespace luna::test {
namespace {

TEST(PtxWarp, RunsDivergentLanesToTheirOwnResults) {
  std::vector<uint32_t> x(32);
  // The Collatz steps of tid + 1, with a branch of its own for odd numbers.
  ASSERT_EQ(run_body(kOwnWord + R"(
  add.u32 %r2, %r1, 1;
  mov.u32 %r3, 0;
LOOP:
  setp.eq.u32 %p1, %r2, 1;
  @%p1 bra DONE;
  add.u32 %r3, %r3, 1;
  and.b32 %r4, %r2, 1;
  setp.eq.u32 %p2, %r4, 0;
  @%p2 bra EVEN;
  mad.lo.u32 %r2, %r2, 3, 1;
  bra.uni LOOP;
EVEN:
  shr.u32 %r2, %r2, 1;
  bra.uni LOOP;
DONE:
  activemask.b32 %r5;
  vote.sync.ballot.b32 %r6, %p1, -1;
  add.u32 %r3, %r3, %r6;
  st.global.u32 [%d2], %r3;
)",
                     x),
            PtxResult{});
  for (uint32_t i = 0; i < 32; i++) {
    uint32_t steps = 0;
    for (uint32_t n = i + 1; n != 1; n = n % 2 ? 3 * n + 1 : n / 2) steps++;
    EXPECT_EQ(x[i], steps - 1) << "of " << i + 1 << ", less one for the ballot of all lanes";
  }
}

TEST(PtxWarp, WaitsForLanesThatComeLater) {
  std::vector<uint32_t> x(32);
  // Lanes below 4 come to the shuffle, and to the barrier, by a jump back.
  ASSERT_EQ(run_body(kOwnWord + R"(
  setp.lt.u32 %p1, %r1, 4;
  @%p1 bra FAR;
SHUFFLE:
  shfl.sync.bfly.b32 %r2, %r1, 31, 31, -1;
  @%p1 bra FARTHER;
BARRIER:
  bar.sync 0;
  activemask.b32 %r3;
  add.u32 %r2, %r2, %r3;
  st.global.u32 [%d2], %r2;
  ret;
FAR:
  add.u32 %r1, %r1, 100;
  bra SHUFFLE;
FARTHER:
  add.u32 %r2, %r2, 1000;
  bra BARRIER;
)",
                     x),
            PtxResult{});
  for (uint32_t i = 0; i < 32; i++) {
    EXPECT_EQ(x[i] + 1, 31 - i + (i < 4 ? 1000 : 0) + (i >= 28 ? 100 : 0)) << i;
  }
}

TEST(PtxWarp, ExchangesBetweenLanes) {
  struct Case {
    std::string instruction;
    uint32_t (*expected)(uint32_t lane);
  };
  const Case cases[] = {
      {"shfl.sync.idx.b32 %r3, %r1, 5, 31, -1", [](uint32_t) { return 5u; }},
      {"shfl.sync.idx.b32 %r3, %r1, 1, 0x1c1f, -1", [](uint32_t i) { return (i & 28) + 1; }},
      {"shfl.sync.bfly.b32 %r3|%p1, %r1, 16, 31, -1", [](uint32_t i) { return i ^ 16; }},
      {"shfl.sync.up.b32 %r3, %r1, 3, 0, -1", [](uint32_t i) { return i < 3 ? i : i - 3; }},
      {"shfl.sync.down.b32 %r3, %r1, 3, 31, -1", [](uint32_t i) { return i < 29 ? i + 3 : i; }},
      {"shfl.sync.down.b32 _|%p1, %r1, 3, 31, -1; selp.u32 %r3, 1, 0, %p1",
       [](uint32_t i) { return i < 29 ? 1u : 0u; }},
      {"redux.sync.add.u32 %r3, %r1, -1", [](uint32_t) { return 496u; }},
      {"redux.sync.max.s32 %r3, %r1, -1", [](uint32_t) { return 31u; }},
      {"and.b32 %r2, %r1, 5; match.any.sync.b32 %r3, %r2, -1",
       [](uint32_t i) { return 0x05050505u << (i & 5) & (i & 1 ? 0xffffffff : 0x55555555u); }},
      {"setp.lt.u32 %p1, %r1, 4; vote.sync.ballot.b32 %r3, !%p1, -1",
       [](uint32_t) { return 0xfffffff0u; }},
      {"setp.lt.u32 %p1, %r1, 4; vote.sync.any.pred %p1, %p1, -1; selp.u32 %r3, 1, 0, %p1",
       [](uint32_t) { return 1u; }},
      {"setp.lt.u32 %p1, %r1, 4; vote.sync.all.pred %p1, %p1, -1; selp.u32 %r3, 1, 0, %p1",
       [](uint32_t) { return 0u; }},
  };
  for (const Case& one : cases) {
    std::vector<uint32_t> x(32);
    ASSERT_EQ(run_body(kOwnWord + one.instruction + ";st.global.u32 [%d2], %r3;", x), PtxResult{})
        << one.instruction;
    for (uint32_t i = 0; i < 32; i++) EXPECT_EQ(x[i], one.expected(i)) << one.instruction << i;
  }
}

/// The sum of a block's values through shared memory, by halving, of two warps and a part of one.
TEST(PtxWarp, SumsThroughSharedMemory) {
  std::vector<uint32_t> x(2 * 3, 0);
  const std::string kernel = R"(
.extern .shared .align 16 .b8 dynamic[];
.visible .entry k(.param .u64 x)
{
  .reg .pred %p<9>;
  .reg .b32 %r<20>;
  .reg .b64 %d<9>;
  .shared .align 4 .b8 first[4];
  ld.param.b64 %d1, [x];
  mov.u32 %r1, %tid.x;
  mov.u32 %r2, %tid.y;
  mov.u32 %r3, %ntid.x;
  mad.lo.u32 %r1, %r2, %r3, %r1;
  shl.b32 %r4, %r1, 2;
  mov.u32 %r5, dynamic;
  add.u32 %r5, %r5, %r4;
  st.shared.u32 [%r5], %r1;
  mov.u32 %r6, 32;
HALVE:
  bar.sync 0;
  setp.ge.u32 %p1, %r1, %r6;
  add.u32 %r7, %r1, %r6;
  setp.ge.or.u32 %p1, %r7, 40, %p1;
  @%p1 bra SKIP;
  shl.b32 %r8, %r6, 2;
  add.u32 %r8, %r8, %r5;
  ld.shared.u32 %r9, [%r8];
  ld.shared.u32 %r10, [%r5];
  add.u32 %r10, %r10, %r9;
  st.shared.u32 [%r5], %r10;
SKIP:
  shr.u32 %r6, %r6, 1;
  setp.ne.u32 %p2, %r6, 0;
  @%p2 bra HALVE;
  setp.eq.u32 %p3, %r1, 0;
  @%p3 st.shared.u32 [first], %r10;
  bar.sync 0;
  ld.shared.u32 %r11, [first];
  mov.u32 %r12, %ctaid.x;
  mov.u32 %r13, %ctaid.y;
  mov.u32 %r14, %nctaid.x;
  mad.lo.u32 %r12, %r13, %r14, %r12;
  mul.wide.u32 %d2, %r12, 4;
  add.s64 %d2, %d2, %d1;
  setp.eq.u32 %p3, %r1, 39;
  @%p3 st.global.u32 [%d2], %r11;
  ret;
})";
  void* address = x.data();
  ASSERT_EQ(run_ptx(kernel, {{2, 3, 1}, {8, 5, 1}, 160}, {&address}), PtxResult{});
  EXPECT_EQ(x, std::vector<uint32_t>(6, 39 * 40 / 2));
}

}  // namespace
}  // namespace luna::test
