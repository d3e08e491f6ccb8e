// What tensor cores need: ldmatrix, movmatrix and mma, by whole warps.
#include <algorithm>

#include "tests/support/ptx/decoder.h"

namespace luna::test::ptx {

bool Decoder::decode_matrix(Opcode& opcode) {
  const bool load = opcode.name() == "ldmatrix", move = opcode.name() == "movmatrix";
  if (!load && !move && opcode.name() != "mma") return false;
  if (!opcode.take("sync") || !opcode.take("aligned")) return opcode.reject();
  in_.operand[5] = constant(kAllLanes, Slot::k32);
  return load   ? decode_matrix_load(opcode)
         : move ? decode_matrix_move(opcode)
                : decode_matrix_multiply(opcode);
}

/// ldmatrix.sync.aligned.m8n8.x1/x2/x4{.trans}.shared.b16 {d, ...}, [address].
bool Decoder::decode_matrix_load(Opcode& opcode) {
  expect_operands(2, 2);
  in_.kind = Kind::kMatrixLoad;
  in_.transposed = opcode.take("trans");
  in_.bytes = 4;
  in_.elements = opcode.take("x1") ? 1 : opcode.take("x2") ? 2 : opcode.take("x4") ? 4 : 0;
  memory_address(operands_[1], opcode);
  const bool known =
      opcode.take("m8n8") && opcode.take("b16") && in_.elements && in_.space == Space::kShared;
  if (!known) return opcode.reject();
  const std::vector<std::string>& words = operands_[0].elements;
  if (words.size() != in_.elements) fail(std::to_string(words.size()) + " registers");
  for (size_t i = 0; i < words.size(); i++) in_.operand[1 + i] = destination(words[i], Slot::k32);
  kernel_.granule = std::min<size_t>(kernel_.granule, 16);
  return true;
}

/// movmatrix.sync.aligned.m8n8.trans.b16 d, a.
bool Decoder::decode_matrix_move(Opcode& opcode) {
  expect_operands(2, 2);
  in_.kind = Kind::kMatrixMove;
  if (!opcode.take("m8n8") || !opcode.take("trans") || !opcode.take("b16")) return opcode.reject();
  in_.operand[0] = destination(operands_[0].word, Slot::k32);
  in_.operand[1] = source(operands_[1].word, Slot::k32);
  return true;
}

/// mma.sync.aligned.m16n8kK.row.col.f32.T.T.f32 {d}, {a}, {b}, {c}; T: bf16 or f16 with K 16, tf32
/// with K 8.
bool Decoder::decode_matrix_multiply(Opcode& opcode) {
  expect_operands(4, 4);
  in_.kind = Kind::kMatrixMultiply;
  in_.work = Work::kFma;
  const std::string shape = opcode.take_one_of({"m16n8k16", "m16n8k8"});
  const bool layout = opcode.take("row") && opcode.take("col");
  const std::optional<Type> d = opcode.take_type(), a = opcode.take_type(), b = opcode.take_type(),
                            c = opcode.take_type();
  const bool known = shape == "m16n8k16" ? a == Type::kBf16 || a == Type::kF16
                                         : shape == "m16n8k8" && a == Type::kTf32;
  if (!known || !layout || d != Type::kF32 || c != Type::kF32 || a != b) return opcode.reject();
  in_.factor = *a;
  static constexpr size_t kRegisters[] = {4, 4, 2, 4};
  size_t place = 0;
  for (size_t i = 0; i < 4; i++) {
    const std::vector<std::string>& words = operands_[i].elements;
    if (words.size() != kRegisters[i]) fail(std::to_string(words.size()) + " registers");
    for (const std::string& word : words) {
      in_.matrix[place++] = i == 0 ? destination(word, Slot::k32) : source(word, Slot::k32);
    }
  }
  return true;
}

}  // namespace luna::test::ptx
