// From the statements of a kernel's body to decoded instructions.
#pragma once

#include <map>
#include <optional>

#include "tests/support/ptx/alu.h"
#include "tests/support/ptx/module.h"
#include "tests/support/ptx/tokens.h"

namespace luna::test::ptx {

/// One instruction as tokens, without its semicolon.
using Statement = std::vector<Token>;

/// An operand as written: %r1, !%p1, -3, {%r1, %r2}, [%rd1+8], %r1|%p1.
struct Operand {
  std::string word;
  std::string paired;                 ///< After the bar.
  std::vector<std::string> elements;  ///< Of a vector.
  bool negated = false;
  bool address = false;
  int64_t offset = 0;
};

class Decoder {
 public:
  /// `variables` are those that the kernel sees; more may be added before the first decode().
  Decoder(Kernel& kernel, std::map<std::string, Variable>& variables)
      : kernel_(kernel), variables_(variables) {}

  void declare_register(const std::string& name, Type type);
  /// `%r<100>`: %r0 to %r99.
  void declare_registers(const std::string& prefix, int64_t count, Type type);
  void declare_label(const std::string& name, uint32_t index) { labels_[name] = index; }

  /// Throws ParseError for what is malformed, undeclared or not implemented.
  Instruction decode(const Statement& statement);

 private:
  struct Register {
    Slot slot;
    std::optional<uint32_t> place;  ///< Once used.
  };

  Operand parse_operand(Cursor& cursor) const;
  std::string signed_word(Cursor& cursor) const;
  void expect_operands(size_t least, size_t most) const;

  // Each fills in the instruction; false where the opcode is none of its own.
  void dispatch(const std::string& opcode);
  bool decode_control(Opcode& opcode);
  void decode_barrier(Opcode& opcode);
  bool decode_fence(Opcode& opcode);
  bool decode_warp(Opcode& opcode);
  bool decode_shuffle(Opcode& opcode);
  bool decode_vote(Opcode& opcode);
  bool decode_match(Opcode& opcode);
  bool decode_reduction(Opcode& opcode);
  bool decode_matrix(Opcode& opcode);
  bool decode_matrix_load(Opcode& opcode);
  bool decode_matrix_multiply(Opcode& opcode);
  bool decode_matrix_move(Opcode& opcode);
  bool decode_memory(Opcode& opcode);
  bool decode_atomic(Opcode& opcode);
  void memory_address(const Operand& operand, Opcode& opcode);
  void memory_data(const Operand& operand, Type type);
  void note_granule();
  bool decode_compare(Opcode& opcode);
  bool decode_address_cast(Opcode& opcode);
  bool decode_packed_move(const std::string& opcode);
  bool decode_alu(const std::string& opcode);
  void use(const Alu& alu);

  // Places in the register file.
  Register& declared(const std::string& name);
  uint32_t place(Register& found);
  uint32_t destination(const std::string& name, Slot slot);
  uint32_t source(const std::string& word, Slot slot);
  uint32_t constant(uint64_t bits, Slot slot);
  std::optional<uint32_t> special(const std::string& word, Slot slot);
  uint32_t special_place(Special special, int axis, Slot slot);
  uint32_t new_place(Slot slot);
  [[noreturn]] void fail(const std::string& problem) const;

  Kernel& kernel_;
  std::map<std::string, Variable>& variables_;
  std::map<std::string, Register> registers_;
  std::map<std::string, uint32_t> labels_;
  std::map<std::pair<uint64_t, Slot>, uint32_t> constants_;
  std::map<std::pair<Special, int>, uint32_t> specials_;

  // Of the instruction being decoded.
  int line_ = 0;
  Instruction in_;
  std::vector<Operand> operands_;
};

}  // namespace luna::test::ptx
