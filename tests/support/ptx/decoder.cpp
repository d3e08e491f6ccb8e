#include "tests/support/ptx/decoder.h"

#include <cctype>
#include <cstdlib>

namespace luna::test::ptx {

void Decoder::fail(const std::string& problem) const { throw ParseError(line_, problem); }

void Decoder::declare_register(const std::string& name, Type type) {
  const Slot slot = type == Type::kPredicate ? Slot::kPredicate
                    : bytes_of(type) == 8    ? Slot::k64
                                             : Slot::k32;
  registers_[name] = {slot, std::nullopt};
}

void Decoder::declare_registers(const std::string& prefix, int64_t count, Type type) {
  for (int64_t i = 0; i < count; i++) declare_register(prefix + std::to_string(i), type);
}

Instruction Decoder::decode(const Statement& statement) {
  Cursor cursor(statement);
  line_ = cursor.line();
  in_ = {};
  operands_.clear();
  if (cursor.accept("@")) {
    in_.guarded = true;
    in_.guard_negated = cursor.accept("!");
    in_.guard = source(cursor.word(), Slot::kPredicate);
  }
  const std::string opcode = cursor.word();
  while (!cursor.at_end()) {
    operands_.push_back(parse_operand(cursor));
    if (!cursor.at_end()) cursor.expect(",");
  }
  dispatch(opcode);
  return in_;
}

std::string Decoder::signed_word(Cursor& cursor) const {
  const std::string sign = cursor.accept("-") ? "-" : "";
  return sign + cursor.word();
}

Operand Decoder::parse_operand(Cursor& cursor) const {
  Operand operand;
  if (cursor.accept("{")) {
    do operand.elements.push_back(signed_word(cursor));
    while (cursor.accept(","));
    cursor.expect("}");
  } else if (cursor.accept("[")) {
    operand.address = true;
    operand.word = signed_word(cursor);
    if (cursor.accept("+") || cursor.peek() == "-") operand.offset = cursor.integer();
    cursor.expect("]");
  } else {
    operand.negated = cursor.accept("!");
    operand.word = signed_word(cursor);
    if (cursor.accept("|")) operand.paired = cursor.word();
  }
  return operand;
}

void Decoder::dispatch(const std::string& text) {
  Opcode opcode(text);
  const bool known = decode_control(opcode) || decode_warp(opcode) || decode_matrix(opcode) ||
                     decode_memory(opcode) || decode_atomic(opcode) || decode_compare(opcode) ||
                     decode_address_cast(opcode);
  if (known ? !opcode.empty() : !decode_alu(text)) fail("not implemented: " + text);
}

void Decoder::expect_operands(size_t least, size_t most) const {
  if (operands_.size() < least || operands_.size() > most) {
    fail(std::to_string(operands_.size()) + " operands instead of " +
         std::to_string(operands_.size() < least ? least : most));
  }
}

Decoder::Register& Decoder::declared(const std::string& name) {
  const auto found = registers_.find(name);
  if (found == registers_.end()) fail("undeclared: " + name);
  return found->second;
}

uint32_t Decoder::new_place(Slot slot) {
  const size_t bytes = kLanes * (slot == Slot::k64 ? 8 : 4);
  kernel_.file_bytes += bytes;
  return static_cast<uint32_t>(kernel_.file_bytes - bytes);
}

uint32_t Decoder::place(Register& found) {
  if (!found.place) found.place = new_place(found.slot);
  return *found.place;
}

uint32_t Decoder::destination(const std::string& name, Slot slot) {
  if (name == "_") return new_place(slot);
  Register& found = declared(name);
  if (found.slot != slot) fail("the wrong kind of register: " + name);
  return place(found);
}

uint32_t Decoder::source(const std::string& word, Slot slot) {
  if (registers_.count(word)) return destination(word, slot);
  if (const std::optional<uint32_t> found = special(word, slot)) return *found;
  const auto variable = variables_.find(word);
  if (variable != variables_.end()) return constant(variable->second.address, slot);
  const std::string kind = word.substr(0, 2);
  if (kind == "0f" || kind == "0F" || kind == "0d" || kind == "0D") {
    const bool wide = std::tolower(kind[1]) == 'd';
    if (word.size() != (wide ? 18 : 10) || wide != (slot == Slot::k64)) {
      fail("the wrong kind of number: " + word);
    }
    return constant(static_cast<uint64_t>(integer_of("0x" + word.substr(2), line_)), slot);
  }
  const bool negative = word[0] == '-';
  if (!std::isdigit(static_cast<unsigned char>(word[negative]))) fail("undeclared: " + word);
  const auto value = static_cast<uint64_t>(integer_of(word.substr(negative), line_));
  return constant(negative ? 0 - value : value, slot);
}

uint32_t Decoder::constant(uint64_t bits, Slot slot) {
  if (slot == Slot::kPredicate) bits = bits != 0;
  if (slot != Slot::k64) bits &= 0xffffffff;
  const auto [found, is_new] = constants_.try_emplace({bits, slot}, 0);
  if (is_new) {
    found->second = new_place(slot);
    kernel_.constants.push_back({bits, slot == Slot::k64, found->second});
  }
  return found->second;
}

uint32_t Decoder::special_place(Special special, int axis, Slot slot) {
  const auto [found, is_new] = specials_.try_emplace({special, axis}, 0);
  if (is_new) {
    found->second = new_place(slot);
    kernel_.specials.push_back({special, axis, found->second});
  }
  return found->second;
}

std::optional<uint32_t> Decoder::special(const std::string& word, Slot slot) {
  static const std::map<std::string, Special> vectors{{"%tid", Special::kThread},
                                                      {"%ntid", Special::kThreads},
                                                      {"%ctaid", Special::kBlock},
                                                      {"%nctaid", Special::kBlocks}};
  static const std::map<std::string, Special> scalars{{"%laneid", Special::kLane},
                                                      {"%warpid", Special::kWarp}};
  if (slot != Slot::k32) return std::nullopt;
  if (word == "WARP_SZ") return constant(kLanes, slot);
  const auto scalar = scalars.find(word);
  if (scalar != scalars.end()) return special_place(scalar->second, 0, slot);
  const size_t dot = word.find('.');
  const auto vector = vectors.find(word.substr(0, dot));
  if (vector == vectors.end() || dot + 2 != word.size()) return std::nullopt;
  const size_t axis = std::string("xyz").find(word[dot + 1]);
  if (axis == std::string::npos) return std::nullopt;
  return special_place(vector->second, static_cast<int>(axis), slot);
}

}  // namespace luna::test::ptx
