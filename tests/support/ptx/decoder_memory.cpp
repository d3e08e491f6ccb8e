// Loads, stores and atomics.
#include <algorithm>

#include "tests/support/ptx/decoder.h"

namespace luna::test::ptx {
namespace {

/// Modifiers without a meaning for a launch whose blocks run one after the other: caching, ordering
/// and scope.
void take_hints(Opcode& opcode) {
  for (const char* hint :
       {"volatile", "weak", "relaxed", "acquire", "release", "acq_rel", "ca", "cg", "cs", "lu",
        "cv", "wb", "wt", "nc", "cta", "gpu", "sys", "noftz"}) {
    opcode.take(hint);
  }
  opcode.take_all("L1::");
  opcode.take_all("L2::");
}

Space take_space(Opcode& opcode) {
  static const std::pair<const char*, Space> spaces[] = {
      {"global", Space::kGlobal}, {"shared", Space::kShared}, {"shared::cta", Space::kShared},
      {"local", Space::kLocal},   {"const", Space::kConst},   {"param", Space::kParam}};
  for (const auto& [name, space] : spaces) {
    if (opcode.take(name)) return space;
  }
  return Space::kGeneric;
}

Work work_of(Space space) {
  if (space == Space::kShared) return Work::kShared;
  return space == Space::kGlobal || space == Space::kGeneric ? Work::kGlobal : Work::kOther;
}

}  // namespace

void Decoder::memory_address(const Operand& operand, Opcode& opcode) {
  if (!operand.address) fail("expected an address in brackets");
  in_.space = take_space(opcode);
  in_.work = work_of(in_.space);
  in_.offset = operand.offset;
  const auto found = registers_.find(operand.word);
  in_.wide_base = found == registers_.end() || found->second.slot == Slot::k64;
  in_.operand[0] = source(operand.word, in_.wide_base ? Slot::k64 : Slot::k32);
}

/// Vectors have up to 16 bytes; a register may be wider than what it loads or stores.
void Decoder::memory_data(const Operand& operand, Type type) {
  if (operand.address) fail("expected a register instead of an address");
  const std::vector<std::string> words =
      operand.elements.empty() ? std::vector<std::string>{operand.word} : operand.elements;
  in_.bytes = static_cast<uint8_t>(bytes_of(type));
  if (words.size() != in_.elements || words.size() * in_.bytes > 16) {
    fail(std::to_string(words.size()) + " elements of " + std::to_string(in_.bytes) + " bytes");
  }
  in_.sign_extend = is_signed(type);
  for (size_t i = 0; i < words.size(); i++) {
    const auto found = registers_.find(words[i]);
    const Slot slot = found != registers_.end() ? found->second.slot
                      : in_.bytes == 8          ? Slot::k64
                                                : Slot::k32;
    if (slot == Slot::kPredicate || (in_.bytes == 8 && slot != Slot::k64)) {
      fail("the wrong kind of register: " + words[i]);
    }
    in_.wide[i] = slot == Slot::k64;
    in_.operand[1 + i] =
        in_.kind == Kind::kLoad ? destination(words[i], slot) : source(words[i], slot);
  }
}

/// Shared and global memory are checked in units of their smallest accesses.
void Decoder::note_granule() {
  const size_t bytes = in_.bytes * in_.elements;
  const bool any = in_.space == Space::kGeneric;
  if (any || in_.space == Space::kShared) kernel_.granule = std::min(kernel_.granule, bytes);
  if (any || in_.space == Space::kGlobal) {
    kernel_.global_granule = std::min(kernel_.global_granule, bytes);
  }
}

bool Decoder::decode_memory(Opcode& opcode) {
  const bool load = opcode.name() == "ld";
  if (!load && opcode.name() != "st") return false;
  expect_operands(2, 2);
  in_.kind = load ? Kind::kLoad : Kind::kStore;
  take_hints(opcode);
  memory_address(operands_[load ? 1 : 0], opcode);
  in_.elements = opcode.take("v2") ? 2 : opcode.take("v4") ? 4 : 1;
  const std::optional<Type> type = opcode.take_type();
  if (!type || *type == Type::kPredicate || !opcode.empty()) return opcode.reject();
  memory_data(operands_[load ? 0 : 1], *type);
  note_granule();
  return true;
}

/// Operands: address, destination, b, c; red has no destination.
bool Decoder::decode_atomic(Opcode& opcode) {
  const bool red = opcode.name() == "red";
  if (!red && opcode.name() != "atom") return false;
  in_.kind = Kind::kAtomic;
  take_hints(opcode);
  const std::string operation =
      opcode.take_one_of({"add", "min", "max", "inc", "dec", "exch", "cas", "and", "or", "xor"});
  const size_t address = red ? 0 : 1;
  const size_t count = address + (operation == "cas" ? 3 : 2);
  expect_operands(count, count);
  memory_address(operands_[address], opcode);
  const std::optional<Type> type = opcode.take_type();
  in_.update = type ? find_update(operation, *type) : nullptr;
  const bool memory = in_.space != Space::kParam && in_.space != Space::kConst;
  if (!in_.update || !memory || !opcode.empty()) return opcode.reject();
  in_.bytes = static_cast<uint8_t>(bytes_of(*type));
  const Slot slot = in_.bytes == 8 ? Slot::k64 : Slot::k32;
  in_.operand[1] = destination(red ? "_" : operands_[0].word, slot);
  in_.operand[2] = source(operands_[address + 1].word, slot);
  in_.operand[3] = operation == "cas" ? source(operands_[address + 2].word, slot) : in_.operand[2];
  note_granule();
  return true;
}

}  // namespace luna::test::ptx
