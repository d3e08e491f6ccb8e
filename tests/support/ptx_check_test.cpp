// Wrong on purpose: what the executing driver must find, with its message, beside the right kernel.
#include <fmt/format.h>

#include <array>

#include "tests/support/ptx_program.h"

namespace luna::test {
namespace {

/// Bodies `before right after` and `before wrong after`, and the launch error of the wrong one;
/// @address in the message is `offset` bytes into the buffer x of 64 words.
struct Case {
  std::string name;
  std::string before, right, wrong, after;
  int code;
  std::string message;
  size_t offset = 0;
  PtxShape shape{{2, 1, 1}, {64, 1, 1}, 256};
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

/// Every thread stores tid to its word of shared memory, at %r2, and reads its neighbour's.
const std::string kStore = "shl.b32 %r2, %r1, 2; st.shared.u32 [%r2], %r1;";
const std::string kNeighbour = "xor.b32 %r3, %r2, 128; ld.shared.u32 %r4, [%r3];";

/// 2 blocks of 32 threads: %d2 is the thread's own word of x, %d3 that of its peer in the other
/// block.
const PtxShape kTwoBlocks{{2, 1, 1}, {32, 1, 1}, 0}, kOneBlock{{1, 1, 1}, {64, 1, 1}, 0};
const std::string kPeers =
    "mov.u32 %r2, %ctaid.x; mad.lo.u32 %r3, %r2, 32, %r1; mul.wide.u32 %d2, %r3, 4;"
    "xor.b64 %d3, %d2, 128; add.s64 %d2, %d2, %d1; add.s64 %d3, %d3, %d1;";

const Case kCases[] = {
    {"MissingBarrier", kStore, "bar.sync 0;", "", kNeighbour, 719,
     "kernel k: unwritten shared memory: reads address 0x80 that this block has not written [line "
     "14: ld.shared.u32 %r4, [%r3]; block (0, 0, 0), thread (0, 0, 0)]"},
    {"MissingBarrierWithinWarp", kStore, "bar.sync 0;", "",
     "xor.b32 %r3, %r2, 4; ld.shared.u32 %r4, [%r3];", 719,
     "kernel k: data race: reads shared address 0x4 that thread (1, 0, 0) wrote since the last "
     "barrier [line 14: ld.shared.u32 %r4, [%r3]; block (0, 0, 0), thread (0, 0, 0)]"},
    {"MissingSecondBarrier", kStore + "bar.sync 0;" + kNeighbour, "bar.sync 0;", "",
     "st.shared.u32 [%r2], %r4;", 719,
     "kernel k: data race: reads shared address 0x0 that thread (0, 0, 0) wrote since the last "
     "barrier [line 14: ld.shared.u32 %r4, [%r3]; block (0, 0, 0), thread (32, 0, 0)]"},
    {"WriteOverSeveralReaders",
     kStore + "bar.sync 0; ld.shared.u32 %r4, [0]; setp.eq.u32 %p1, %r1, 40;", "bar.sync 0;", "",
     "@%p1 st.shared.u32 [0], 1;", 719,
     "kernel k: data race: writes shared address 0x0 that several threads read since the last "
     "barrier [line 14: @%p1 st.shared.u32 [0], 1; block (0, 0, 0), thread (40, 0, 0)]"},
    {"SameValueFromTwoLanes", "setp.eq.u32 %p1, %r1, 1;", "@%p1 ", "", "st.shared.u32 [8], 3;", 719,
     "kernel k: data race: writes shared address 0x8 that thread (0, 0, 0) wrote since the last "
     "barrier [line 14: st.shared.u32 [8], 3; block (0, 0, 0), thread (1, 0, 0)]"},
    {"HalvesOfAWord", "shl.b32 %r2, %r1, 1;", "", "and.b32 %r2, %r2, -4;",
     "st.shared.u16 [%r2], 1;", 719,
     "kernel k: data race: writes shared address 0x0 that thread (0, 0, 0) wrote since the last "
     "barrier [line 14: st.shared.u16 [%r2], 1; block (0, 0, 0), thread (1, 0, 0)]"},
    {"PlainReadOfAtomics",
     "setp.eq.u32 %p1, %r1, 0; @%p1 st.shared.u32 [0], 0; bar.sync 0;"
     "atom.shared.add.u32 %r5, [0], 1;",
     "bar.sync 0;", "", "ld.shared.u32 %r4, [0];", 719,
     "kernel k: data race: reads shared address 0x0 that an atomic wrote since the last barrier "
     "[line 14: ld.shared.u32 %r4, [0]; block (0, 0, 0), thread (0, 0, 0)]"},
    {"SharedOffByOne", "shl.b32 %r2, %r1, 2;", "st.shared.u32 [%r2], 1;",
     "st.shared.u32 [%r2+4], 1;", "", 700,
     "kernel k: illegal address: shared address 0x100 (4 bytes) is outside the 256 bytes of the "
     "block [line 14: st.shared.u32 [%r2+4], 1; block (0, 0, 0), thread (63, 0, 0)]"},
    {"UnwrittenTail", "shl.b32 %r2, %r1, 2; setp.lt.u32 %p1, %r1, 63;", "", "@%p1 ",
     "st.shared.u32 [%r2], 1; bar.sync 0; ld.shared.u32 %r4, [%r2];", 719,
     "kernel k: unwritten shared memory: reads address 0xfc that this block has not written [line "
     "14: ld.shared.u32 %r4, [%r2]; block (0, 0, 0), thread (63, 0, 0)]"},
    {"MissingTailGuard", kOwnWord + "setp.lt.u32 %p1, %r1, 60;", "@%p1 ", "",
     "st.global.u32 [%d2+16], 1;", 700,
     "kernel k: illegal address: global address @address (4 bytes) is outside every registered "
     "allocation [line 14: st.global.u32 [%d2+16], 1; block (0, 0, 0), thread (60, 0, 0)]",
     256, kOneBlock},
    {"TwoBlocksWrite", kPeers, "st.global.u32 [%d2], 1;", kOwnWord + "st.global.u32 [%d2], 1;", "",
     719,
     "kernel k: data race: writes global address @address that thread (0, 0, 0) of block (0, 0, 0) "
     "writes [line 14: st.global.u32 [%d2], 1; block (1, 0, 0), thread (0, 0, 0)]",
     0, kTwoBlocks},
    {"ReadsWhatAnotherBlockWrites",
     kPeers + "setp.eq.u32 %p1, %r2, 0; @%p1 st.global.u32 [%d2], 1;", "ld.global.u32 %r4, [%d2];",
     "ld.global.u32 %r4, [%d3];", "", 719,
     "kernel k: data race: reads global address @address that thread (0, 0, 0) of block (0, 0, 0) "
     "writes [line 14: ld.global.u32 %r4, [%d3]; block (1, 0, 0), thread (0, 0, 0)]",
     0, kTwoBlocks},
    {"WritesWhatAnotherBlockReads", kPeers, "ld.global.u32 %r4, [%d2];",
     "ld.global.u32 %r4, [%d3];", "setp.eq.u32 %p1, %r2, 1; @%p1 st.global.u32 [%d2], %r4;", 719,
     "kernel k: data race: writes global address @address that another block reads [line 14: @%p1 "
     "st.global.u32 [%d2], %r4; block (1, 0, 0), thread (0, 0, 0)]",
     128, kTwoBlocks},
    {"EveryThreadWrites", "setp.eq.u32 %p1, %r1, 40;", "@%p1 ", "", "st.global.u32 [%d1+8], 3;",
     719,
     "kernel k: data race: writes global address @address that thread (0, 0, 0) of block (0, 0, 0) "
     "writes [line 14: st.global.u32 [%d1+8], 3; block (0, 0, 0), thread (1, 0, 0)]",
     8, kOneBlock},
    {"MissingBarrierInGlobalMemory", kOwnWord + "st.global.u32 [%d2], 1;", "bar.sync 0;", "",
     "setp.gt.u32 %p1, %r1, 31; @%p1 ld.global.u32 %r4, [%d1];", 719,
     "kernel k: data race: reads global address @address that thread (0, 0, 0) of block (0, 0, 0) "
     "writes [line 14: @%p1 ld.global.u32 %r4, [%d1]; block (0, 0, 0), thread (32, 0, 0)]",
     0, kOneBlock},
    {"MissingWarpBarrierInGlobalMemory", kOwnWord + "st.global.u32 [%d2], 1;", "bar.warp.sync -1;",
     "",
     "xor.b32 %r2, %r1, 1; mul.wide.u32 %d3, %r2, 4; add.s64 %d3, %d3, %d1;"
     "ld.global.u32 %r4, [%d3];",
     719,
     "kernel k: data race: reads global address @address that thread (1, 0, 0) of block (0, 0, 0) "
     "writes [line 14: ld.global.u32 %r4, [%d3]; block (0, 0, 0), thread (0, 0, 0)]",
     4, kOneBlock},
    {"WarpBarrierForTwoWarps", kOwnWord + "st.global.u32 [%d2], 1;", "bar.sync 0;",
     "bar.warp.sync -1;", "setp.gt.u32 %p1, %r1, 31; @%p1 ld.global.u32 %r4, [%d1];", 719,
     "kernel k: data race: reads global address @address that thread (0, 0, 0) of block (0, 0, 0) "
     "writes [line 14: @%p1 ld.global.u32 %r4, [%d1]; block (0, 0, 0), thread (32, 0, 0)]",
     0, kOneBlock},
    {"BeforeTheBuffer", "", "ld.global.u32 %r2, [%d1];", "ld.global.u32 %r2, [%d1+-4];", "", 700,
     "kernel k: illegal address: global address @address (4 bytes) is outside every registered "
     "allocation [line 14: ld.global.u32 %r2, [%d1+-4]; block (0, 0, 0), thread (0, 0, 0)]",
     size_t(-4)},
    {"OneLaneBelowZero", kOwnWord + "setp.eq.u32 %p1, %r1, 5;", "", "@%p1 mov.u64 %d2, -16;",
     "ld.global.u32 %r2, [%d2];", 700,
     "kernel k: illegal address: global address 0xfffffffffffffff0 (4 bytes) is outside every "
     "registered allocation [line 14: ld.global.u32 %r2, [%d2]; block (0, 0, 0), thread (5, 0, "
     "0)]"},
    {"MisalignedVector", "", "ld.global.v4.u32 {%r2, %r3, %r4, %r5}, [%d1+16];",
     "ld.global.v4.u32 {%r2, %r3, %r4, %r5}, [%d1+8];", "", 716,
     "kernel k: misaligned address: @address is not a multiple of 16 [line 14: ld.global.v4.u32 "
     "{%r2, "
     "%r3, %r4, %r5}, [%d1+8]; block (0, 0, 0), thread (0, 0, 0)]",
     8},
    {"LocalOffByOne", ".local .align 8 .b8 depot[8]; mov.b64 %d3, depot;",
     "st.local.u32 [%d3+4], 1;", "st.local.u32 [%d3+8], 1;", "", 700,
     "kernel k: illegal address: local address 0x8 (4 bytes) is outside the 8 bytes of the thread "
     "[line 14: st.local.u32 [%d3+8], 1; block (0, 0, 0), thread (0, 0, 0)]"},
    {"ParameterOffByOne", "", "ld.param.u32 %r2, [x+4];", "ld.param.u32 %r2, [x+8];", "", 700,
     "kernel k: illegal address: parameter address 0x8 (4 bytes) is outside the 8 bytes to read "
     "[line 14: ld.param.u32 %r2, [x+8]; block (0, 0, 0), thread (0, 0, 0)]"},
    {"ExitBeforeBarrier", "setp.eq.u32 %p1, %r1, 33;", "", "@%p1 ret;", "bar.sync 0;", 719,
     "kernel k: divergent barrier: thread (33, 0, 0) has exited [line 14: bar.sync 0; block (0, 0, "
     "0), thread (0, 0, 0)]"},
    {"ExitOfAWarpBeforeBarrier", "setp.ge.u32 %p1, %r1, 32;", "", "@%p1 ret;", "bar.sync 0;", 719,
     "kernel k: divergent barrier: thread (32, 0, 0) has exited [line 14: bar.sync 0; block (0, 0, "
     "0), thread (0, 0, 0)]"},
    {"BarrierInABranch", "setp.lt.u32 %p1, %r1, 7;\n", "bar.sync 0;",
     "@%p1 bra A;\nbar.sync 0;\nbra.uni B;\nA:\nbar.sync 0;\nB:", "", 719,
     "kernel k: divergent barrier: thread (7, 0, 0) waits at line 16: bar.sync 0 [line 19: "
     "bar.sync "
     "0; block (0, 0, 0), thread (0, 0, 0)]"},
    {"TwoBarriers", "setp.lt.u32 %p1, %r1, 32;\n", "bar.sync 0;",
     "@%p1 bra A;\nbar.sync 1;\nbra.uni B;\nA:\nbar.sync 0;\nB:", "", 719,
     "kernel k: divergent barrier: thread (32, 0, 0) waits at line 16: bar.sync 1 [line 19: "
     "bar.sync 0; block (0, 0, 0), thread (0, 0, 0)]"},
    {"ShuffleInABranch", "setp.lt.u32 %p1, %r1, 7;", "", "@%p1 ",
     "shfl.sync.idx.b32 %r2, %r1, 0, 31, -1;", 719,
     "kernel k: waits for lanes of its warp that never come [line 14: @%p1 shfl.sync.idx.b32 %r2, "
     "%r1, 0, 31, -1; block (0, 0, 0), thread (0, 0, 0)]"},
    {"ShuffleOutsideItsMask", "setp.lt.u32 %p1, %r1, 64;", "shfl.sync.idx.b32 %r2, %r1, 0, 31, -1;",
     "shfl.sync.idx.b32 %r2, %r1, 0, 31, 0xff;", "", 719,
     "kernel k: its mask leaves out its own lane [line 14: shfl.sync.idx.b32 %r2, %r1, 0, 31, "
     "0xff; "
     "block (0, 0, 0), thread (8, 0, 0)]"},
    {"Trap", "setp.lt.u32 %p1, %r1, 5;", "", "@%p1 trap;", "", 719,
     "kernel k: trap [line 14: @%p1 trap; block (0, 0, 0), thread (0, 0, 0)]"},
    {"Runaway", "A:", "setp.lt.u32 %p1, %r1, 0;", "setp.lt.u32 %p1, %r1, 1;", "@%p1 bra A;", 719,
     "kernel k: runaway: more than 1000 instructions of warps [line 14: @%p1 bra A; block (0, 0, "
     "0), thread (0, 0, 0)]"},
};

class Check : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    register_global(x_.data(), 256);
    limit_ptx_instructions(1000);
  }
  void TearDown() override {
    unregister_global(x_.data(), 256);
    limit_ptx_instructions(10'000'000'000);
  }
  alignas(16) std::array<uint32_t, 64> x_{};

  PtxResult run(const std::string& part) {
    const Case& one = GetParam();
    void* address = x_.data();
    return run_ptx(ptx_kernel(one.before + part + one.after), one.shape, {&address});
  }
};

TEST_P(Check, PassesTheRightKernelAndNamesWhatIsWrong) {
  const Case& one = GetParam();
  EXPECT_EQ(run(one.right), PtxResult{});
  std::string message = one.message;
  if (const size_t at = message.find("@address"); at != std::string::npos) {
    const auto address = reinterpret_cast<uint64_t>(x_.data()) + one.offset;
    message.replace(at, 8, fmt::format("{:#x}", address));
  }
  EXPECT_EQ(run(one.wrong), (PtxResult{one.code, message}));
}

INSTANTIATE_TEST_SUITE_P(Kernels, Check, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

/// Text after the usual head, which has lines 1 to 3, and the message of cuModuleLoadDataEx.
struct Malformed {
  std::string text, message;
};

void PrintTo(const Malformed& one, std::ostream* out) { *out << one.text; }

std::string body(const std::string& text) {
  return ".visible .entry k() { .reg .pred %p; .reg .b32 %r<3>; .reg .b64 %d<3>;\n" + text + " }";
}

const Malformed kMalformed[] = {
    {body("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%r1}, {%r1}, {%r1}, {%r1};"),
     "PTX line 5: not implemented: mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64"},
    {body("mma.sync.aligned.m16n8k16.row.col.f32.tf32.tf32.f32 {%r1}, {%r1}, {%r1}, {%r1};"),
     "PTX line 5: not implemented: mma.sync.aligned.m16n8k16.row.col.f32.tf32.tf32.f32"},
    {body("mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%r1}, {%r1}, {%r1}, {%r1};"),
     "PTX line 5: not implemented: mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32"},
    {body("cvt.rna.tf32.f32 %r1, %r1;"), "PTX line 5: not implemented: cvt.rna.tf32.f32"},
    {body("add.tf32 %r1, %r1, %r1;"), "PTX line 5: not implemented: add.tf32"},
    {body("add.cc.u32 %r1, %r1, 1;"), "PTX line 5: not implemented: add.cc.u32"},
    {body("ex2.f32 %r1, %r1;"), "PTX line 5: not implemented: ex2.f32"},
    {body("bar.sync 0, 32;"), "PTX line 5: not implemented: bar.sync"},
    {body("shfl.bfly.b32 %r1, %r1, 1, 31;"), "PTX line 5: not implemented: shfl.bfly.b32"},
    {body("call.uni f;"), "PTX line 5: not implemented: call.uni"},
    {body("add.s32 %r1, %r1;"), "PTX line 5: 2 operands instead of 3"},
    {body("add.s32 %r1, %r1, %r9;"), "PTX line 5: undeclared: %r9"},
    {body("add.s32 %r1, %r1, %d1;"), "PTX line 5: the wrong kind of register: %d1"},
    {body("add.s32 %r1, %r1, [%d1];"), "PTX line 5: operand 3 is not one register or number"},
    {body("add.f32 %r1, %r1, 0d0000000000000000;"),
     "PTX line 5: the wrong kind of number: 0d0000000000000000"},
    {body("add.s32 %r1, %r1, 12x;"), "PTX line 5: expected a number instead of '12x'"},
    {body("@%r1 bra A;"), "PTX line 5: the wrong kind of register: %r1"},
    {body("bra A;"), "PTX line 5: undeclared: A"},
    {body("ld.global.v4.b64 {%d1, %d1, %d1, %d1}, [%d2];"), "PTX line 5: 4 elements of 8 bytes"},
    {body("ld.global.b32 %r1, %d1;"), "PTX line 5: expected an address in brackets"},
    {body("ld.global.b64 %r1, [%d1];"), "PTX line 5: the wrong kind of register: %r1"},
    {body("ld.global.b32 %r1, [%d1;"), "PTX line 5: expected ']' instead of the end"},
    {body("ret"), "PTX line 5: expected ';' instead of '}'"},
    {body("/* ret; "), "PTX line 5: comment without end"},
    {body(".reg .b128 %q;"), "PTX line 5: not implemented: .reg .b128"},
    {body(".reg .b32 %r<99999999>;"), "PTX line 5: too many registers: %r"},
    {body("{ ret;"), "PTX line 5: unexpected end"},
    {".func f() { ret; }", "PTX line 4: not implemented: .func"},
    {".const .b8 c[2] = {1, 2, 3};", "PTX line 4: too many values"},
    {".global .b8 c[999999999];", "PTX line 4: an extent of 999999999"},
    {".visible .entry", "PTX line 4: expected a word instead of the end"},
};

class BadPtx : public ::testing::TestWithParam<Malformed> {};

TEST_P(BadPtx, IsAnErrorThatNamesTheLine) {
  void* module = nullptr;
  const std::string head = ".version 7.0\n.target sm_80\n.address_size 64\n";
  EXPECT_EQ(load_ptx(head + GetParam().text, &module), (PtxResult{218, GetParam().message}));
}

INSTANTIATE_TEST_SUITE_P(Texts, BadPtx, ::testing::ValuesIn(kMalformed));

TEST(BadPtx, EveryBeginningOfAKernelIsAnErrorOrAModule) {
  void* module = nullptr;
  const std::string text = ".version 7.0\n" + ptx_kernel(kOwnWord + kStore + "bar.sync 0;" +
                                                         "mov.b64 %d3, {%r1, 0f00000000};");
  for (size_t length = 0; length < text.size(); length++) {
    const int code = load_ptx(text.substr(0, length), &module).code;
    EXPECT_TRUE(code == 0 || code == 218) << length;
  }
}

TEST(PtxDriver, RefusesWhatTheDeviceWould) {
  std::vector<uint32_t> x(1);
  const auto refused = [&](const PtxShape& shape) { return run_body("", x, shape); };
  EXPECT_EQ(refused({{0, 1, 1}, {32, 1, 1}, 0}),
            (PtxResult{1, "kernel k: an empty grid or block"}));
  const std::string grid = ", (2147483647, 65535, 65535) allowed";
  EXPECT_EQ(refused({{1, 65536, 1}, {1, 1, 1}, 0}),
            (PtxResult{1, "kernel k: a grid of (1, 65536, 1)" + grid}));
  EXPECT_EQ(refused({{1, 1, 65536}, {1, 1, 1}, 0}),
            (PtxResult{1, "kernel k: a grid of (1, 1, 65536)" + grid}));
  EXPECT_EQ(refused({{1u << 31, 1, 1}, {1, 1, 1}, 0}),
            (PtxResult{1, "kernel k: a grid of (2147483648, 1, 1)" + grid}));
  EXPECT_EQ(refused({{1, 1, 1}, {1, 1, 65}, 0}),
            (PtxResult{1, "kernel k: a block of (1, 1, 65), (1024, 1024, 64) allowed"}));
  EXPECT_EQ(refused({{1, 65535, 1}, {1, 1, 64}, 0}), PtxResult{});
  EXPECT_EQ(refused({{1, 1, 1}, {32, 33, 1}, 0}),
            (PtxResult{1, "kernel k: 1056 threads in a block"}));
  EXPECT_EQ(refused({{1, 1, 1}, {32, 1, 1}, 49153}),
            (PtxResult{1, "kernel k: 49153 bytes of dynamic shared memory, 49152 allowed"}));
}

/// Two warps write their words of shared memory and read those of the thread `distance` away.
PtxResult exchange(int distance, const std::string& before, const std::string& after) {
  std::vector<uint32_t> x(64);
  void* address = x.data();
  return run_ptx(fmt::format(R"(.visible .entry k(.param .u64 x)
{{
  .reg .b32 %r<9>;
  .shared .align 4 .b8 words[256];
  mov.u32 %r1, %tid.x;
  shl.b32 %r2, %r1, 2;
  mov.u32 %r3, words;
  add.u32 %r2, %r2, %r3;
  xor.b32 %r4, %r1, {};
  shl.b32 %r4, %r4, 2;
  add.u32 %r4, %r4, %r3;
  st.shared.u32 [%r2], %r1;
  {};
  ld.shared.u32 %r5, [%r4];
  {};
  st.shared.u32 [%r2], %r5;
  ret;
}})",
                             distance, before, after),
                 {{1, 1, 1}, {64, 1, 1}, 0}, {&address});
}

TEST(PtxSharedMemory, IsPublishedToAWarpByTheWarpsBarrier) {
  const std::string warp = "bar.warp.sync -1", block = "bar.sync 0";
  EXPECT_EQ(exchange(1, warp, warp), PtxResult{});
  EXPECT_EQ(exchange(32, block, block), PtxResult{});
  EXPECT_EQ(exchange(1, block, warp), PtxResult{});
  EXPECT_EQ(exchange(1, warp, warp + "; ld.shared.u32 %r5, [%r2]"), PtxResult{});
  for (const PtxResult& wrong :
       {exchange(32, warp, block), exchange(32, block, warp), exchange(1, warp, "mov.u32 %r6, 0"),
        exchange(1, "mov.u32 %r6, 0", warp)}) {
    EXPECT_EQ(wrong.code, 719) << wrong;  // a race, or the other warp has not written yet
  }
}

TEST(PtxDriver, KnowsOverlappingRangesUntilEachIsTakenBack) {
  std::vector<uint32_t> x(64);
  const auto readable = [&](int offset) {
    return run_body(fmt::format("ld.global.u32 %r2, [%d1+{}];", offset), x).code == 0;
  };
  const uint32_t other = 0;  // with no range at all everything may be read
  register_global(&other, sizeof(other));
  register_global(x.data(), 256);
  register_global(x.data() + 16, 64);
  register_global(x.data() + 16, 64);
  EXPECT_TRUE(readable(0) && readable(64) && readable(252));
  unregister_global(x.data(), 256);
  EXPECT_TRUE(readable(64) && readable(124));
  EXPECT_FALSE(readable(60) || readable(128));
  unregister_global(x.data() + 16, 64);
  EXPECT_TRUE(readable(64));
  unregister_global(x.data() + 16, 64);
  EXPECT_FALSE(readable(64));
  unregister_global(&other, sizeof(other));
}

TEST(PtxDriver, GivesMoreSharedMemoryWhenAsked) {
  void* module = nullptr;
  void* function = nullptr;
  std::vector<uint32_t> x(1);
  void* address = x.data();
  void* arguments[] = {&address};
  ASSERT_EQ(load_ptx(".version 7.0\n" + ptx_kernel("st.shared.u8 [99999], 1;"), &module),
            PtxResult{});
  EXPECT_EQ(cuModuleGetFunction(&function, module, "j"), 500);
  EXPECT_EQ(take_ptx_error(), "no kernel j in the module");
  ASSERT_EQ(cuModuleGetFunction(&function, module, "k"), 0);
  EXPECT_EQ(cuFuncSetAttribute(function, 8, 200000), 1);
  ASSERT_EQ(cuFuncSetAttribute(function, 8, 100000), 0);
  EXPECT_EQ(cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 100000, nullptr, arguments, nullptr), 0);
}

}  // namespace
}  // namespace luna::test
