// Arithmetic, comparisons and address casts.
#include <cfenv>

#include "tests/support/ptx/decoder.h"

namespace luna::test::ptx {
namespace {

Alu find_alu(const std::string& text) {
  for (const Finders* finders : {&integer_finders(), &bit_finders(), &field_finders(),
                                 &float_finders(), &special_finders(), &convert_finders()}) {
    Opcode opcode(text);
    const auto found = finders->find(opcode.name());
    if (found == finders->end()) continue;
    const Alu alu = found->second(opcode);
    if (alu.run && opcode.empty()) return alu;
  }
  return {};
}

/// The opcode as it is for rounding to nearest, and the rounding that it asks for; half-precision
/// formats are rounded to nearest alone.
std::pair<std::string, int> split_rounding(const std::string& text) {
  static const std::pair<const char*, int> roundings[] = {
      {".rz.", FE_TOWARDZERO}, {".rm.", FE_DOWNWARD}, {".rp.", FE_UPWARD}};
  for (const auto& [name, rounding] : roundings) {
    const size_t at = text.find(name);
    if (at != std::string::npos && text.find("f16") == std::string::npos) {
      return {text.substr(0, at) + ".rn." + text.substr(at + 4), rounding};
    }
  }
  return {text, FE_TONEAREST};
}

void run_nothing(std::byte*, const Instruction&, uint32_t) {}

}  // namespace

void Decoder::use(const Alu& alu) {
  expect_operands(alu.operands.size(), alu.operands.size());
  in_.run = alu.run;
  in_.work = alu.work;
  for (size_t i = 0; i < operands_.size(); i++) {
    const Operand& operand = operands_[i];
    if (operand.address || !operand.elements.empty() || !operand.paired.empty() ||
        operand.negated) {
      fail("operand " + std::to_string(i + 1) + " is not one register or number");
    }
    in_.operand[i] =
        i ? source(operand.word, alu.operands[i]) : destination(operand.word, alu.operands[i]);
  }
}

bool Decoder::decode_alu(const std::string& text) {
  if (text.rfind("mov.b", 0) == 0 && decode_packed_move(text)) return true;
  const auto [nearest, rounding] = split_rounding(text);
  const Alu alu = find_alu(nearest);
  if (!alu.run) return false;
  use(alu);
  if (rounding != FE_TONEAREST) {
    in_.inner = in_.run;
    in_.run = &run_rounded;
    in_.rounding = rounding;
  }
  return true;
}

bool Decoder::decode_packed_move(const std::string& text) {
  const std::optional<Type> type = find_type(text.substr(4));
  if (!type || operands_.size() != 2) return false;
  const Slot whole = bytes_of(*type) == 8 ? Slot::k64 : Slot::k32;
  const bool packs = !operands_[1].elements.empty();
  if (packs == operands_[0].elements.empty()) {
    if (packs) in_.operand[0] = destination(operands_[0].word, whole);
  } else {
    return false;
  }
  const std::vector<std::string>& elements = operands_[packs ? 1 : 0].elements;
  in_.elements = static_cast<uint8_t>(elements.size());
  in_.bytes = static_cast<uint8_t>(bytes_of(*type) / elements.size());
  if ((in_.elements != 2 && in_.elements != 4) || in_.bytes < 2) fail("not implemented: " + text);
  for (size_t i = 0; i < elements.size(); i++) {
    if (packs)
      in_.operand[1 + i] = source(elements[i], Slot::k32);
    else
      in_.operand[i] = destination(elements[i], Slot::k32);
  }
  if (!packs) in_.operand[elements.size()] = source(operands_[1].word, whole);
  in_.run = packs ? &run_pack : &run_unpack;
  return true;
}

bool Decoder::decode_compare(Opcode& opcode) {
  const bool set = opcode.name() == "set";
  if (!set && opcode.name() != "setp") return false;
  if (set) {
    const Alu pairs = find_pair_comparison(opcode);
    if (pairs.run && opcode.empty()) {
      use(pairs);
      return true;
    }
  }
  const std::optional<Type> result = set ? opcode.take_type() : Type::kPredicate;
  const std::string mode = opcode.take_one_of({"and", "or", "xor"});
  const Alu alu = find_comparison(opcode);
  const bool integer = result == Type::kU32 || result == Type::kS32 || result == Type::kB32;
  if (!alu.run || !opcode.empty() ||
      (set && (!mode.empty() || (!integer && result != Type::kF32)))) {
    return opcode.reject();
  }
  expect_operands(mode.empty() ? 3 : 4, mode.empty() ? 3 : 4);
  in_.work = alu.work;
  in_.run = in_.inner = alu.run;
  in_.operand[0] = destination(operands_[0].word, set ? Slot::k32 : Slot::kPredicate);
  in_.operand[1] = source(operands_[1].word, alu.operands[1]);
  in_.operand[2] = source(operands_[2].word, alu.operands[2]);
  if (set) {
    in_.run = integer ? &run_set_integer : &run_set_float;
  } else if (!mode.empty() || !operands_[0].paired.empty()) {
    in_.mode = mode == "and"   ? Mode::kAnd
               : mode == "or"  ? Mode::kOr
               : mode == "xor" ? Mode::kXor
                               : Mode::kNone;
    in_.run = &run_combined;
    in_.operand[3] = constant(0, Slot::kPredicate);
    if (!mode.empty()) {
      in_.operand[3] = source(operands_[3].word, Slot::kPredicate);
      in_.negated = operands_[3].negated;
    }
    const std::string& paired = operands_[0].paired;
    in_.operand[4] = destination(paired.empty() ? "_" : paired, Slot::kPredicate);
  }
  return true;
}

/// Generic addresses are host addresses, as global and constant ones are; shared and local ones
/// count from the start of their window.
bool Decoder::decode_address_cast(Opcode& opcode) {
  if (opcode.name() != "cvta") return false;
  const bool to = opcode.take("to");
  const std::string space = opcode.take_one_of({"global", "const", "param", "shared", "local"});
  if (space.empty() || !opcode.take("u64")) return opcode.reject();
  if (space != "shared" && space != "local") {
    Opcode move("mov.b64");
    use(bit_finders().at("mov")(move));
    return true;
  }
  Opcode sum(to ? "sub.u64" : "add.u64");
  Alu alu = integer_finders().at(sum.name())(sum);
  alu.operands.pop_back();
  use(alu);
  in_.operand[2] = special_place(space == "shared" ? Special::kSharedWindow : Special::kLocalWindow,
                                 0, Slot::k64);
  return true;
}

bool Decoder::decode_fence(Opcode& opcode) {
  if (opcode.name() != "membar" && opcode.name() != "fence") return false;
  opcode.take_all("");
  expect_operands(0, 0);
  in_.run = &run_nothing;
  return true;
}

}  // namespace luna::test::ptx
