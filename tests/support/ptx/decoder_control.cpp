// Branches, barriers, and what the lanes of a warp do together.
#include "tests/support/ptx/decoder.h"

namespace luna::test::ptx {

bool Decoder::decode_control(Opcode& opcode) {
  const std::string& name = opcode.name();
  in_.work = Work::kControl;
  if (name == "bra") {
    opcode.take("uni");
    expect_operands(1, 1);
    const auto label = labels_.find(operands_[0].word);
    if (label == labels_.end()) fail("undeclared: " + operands_[0].word);
    in_.kind = Kind::kBranch;
    in_.target = label->second;
  } else if (name == "ret" || name == "exit" || name == "trap") {
    expect_operands(0, 0);
    in_.kind = name == "trap" ? Kind::kTrap : Kind::kExit;
  } else if (name == "bar" || name == "barrier") {
    decode_barrier(opcode);
  } else {
    in_.work = Work::kOther;
    return decode_fence(opcode);
  }
  return true;
}

/// bar.sync is barrier.sync.aligned. A barrier of a part of the block is not implemented.
void Decoder::decode_barrier(Opcode& opcode) {
  const bool warp = opcode.take("warp");
  opcode.take("cta");
  opcode.take("aligned");
  if (!opcode.take("sync") || operands_.size() != 1) {
    opcode.reject();
    return;
  }
  in_.kind = warp ? Kind::kWarpBarrier : Kind::kBarrier;
  if (warp) {
    in_.operand[5] = source(operands_[0].word, Slot::k32);
  } else {
    in_.target = static_cast<uint32_t>(integer_of(operands_[0].word, line_));
  }
}

/// Operand 5 is the mask of the lanes that take part.
bool Decoder::decode_warp(Opcode& opcode) {
  const std::string& name = opcode.name();
  if (name == "activemask") {
    expect_operands(1, 1);
    in_.kind = Kind::kActiveMask;
    in_.operand[0] = destination(operands_[0].word, Slot::k32);
    return opcode.take("b32") || opcode.reject();
  }
  if (name != "shfl" && name != "vote" && name != "redux" && name != "match") return false;
  if (!opcode.take("sync")) return opcode.reject();
  if (name == "shfl") return decode_shuffle(opcode);
  expect_operands(3, 3);
  in_.operand[5] = source(operands_[2].word, Slot::k32);
  if (name == "match") return decode_match(opcode);
  return name == "vote" ? decode_vote(opcode) : decode_reduction(opcode);
}

/// Operands: d, p, a, b, c.
bool Decoder::decode_shuffle(Opcode& opcode) {
  const std::string mode = opcode.take_one_of({"up", "down", "bfly", "idx"});
  if (mode.empty() || !opcode.take("b32")) return opcode.reject();
  expect_operands(5, 5);
  in_.kind = Kind::kShuffle;
  in_.mode = mode == "up"     ? Mode::kUp
             : mode == "down" ? Mode::kDown
             : mode == "bfly" ? Mode::kButterfly
                              : Mode::kIndex;
  const std::string& paired = operands_[0].paired;
  in_.operand[0] = destination(operands_[0].word, Slot::k32);
  in_.operand[1] = destination(paired.empty() ? "_" : paired, Slot::kPredicate);
  for (size_t i = 1; i < 5; i++) in_.operand[1 + i] = source(operands_[i].word, Slot::k32);
  return true;
}

bool Decoder::decode_vote(Opcode& opcode) {
  const std::string mode = opcode.take_one_of({"all", "any", "uni", "ballot"});
  const bool ballot = mode == "ballot";
  if (mode.empty() || !opcode.take(ballot ? "b32" : "pred")) return opcode.reject();
  in_.kind = Kind::kVote;
  in_.mode = ballot          ? Mode::kBallot
             : mode == "all" ? Mode::kAll
             : mode == "any" ? Mode::kAny
                             : Mode::kUniform;
  in_.negated = operands_[1].negated;
  in_.operand[0] = destination(operands_[0].word, ballot ? Slot::k32 : Slot::kPredicate);
  in_.operand[1] = source(operands_[1].word, Slot::kPredicate);
  return true;
}

/// match.any.sync.b32 d, a: the lanes that hold the same.
bool Decoder::decode_match(Opcode& opcode) {
  if (!opcode.take("any") || !opcode.take("b32")) return opcode.reject();
  in_.kind = Kind::kMatch;
  in_.operand[0] = destination(operands_[0].word, Slot::k32);
  in_.operand[1] = source(operands_[1].word, Slot::k32);
  return true;
}

bool Decoder::decode_reduction(Opcode& opcode) {
  const std::string operation = opcode.take_one_of({"add", "min", "max", "and", "or", "xor"});
  const std::optional<Type> type = opcode.take_type();
  if (operation.empty() || !type || bytes_of(*type) != 4 || is_float(*type)) {
    return opcode.reject();
  }
  in_.kind = Kind::kReduce;
  in_.work = Work::kInteger;
  in_.update = find_update(operation, *type);
  in_.operand[0] = destination(operands_[0].word, Slot::k32);
  in_.operand[1] = source(operands_[1].word, Slot::k32);
  return in_.update || opcode.reject();
}

}  // namespace luna::test::ptx
