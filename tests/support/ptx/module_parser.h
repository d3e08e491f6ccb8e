// Declarations of a module and of its kernels; instructions go to the Decoder.
#pragma once

#include "tests/support/ptx/decoder.h"

namespace luna::test::ptx {

class ModuleParser {
 public:
  ModuleParser(Module& module, std::string_view text)
      : module_(module), tokens_(tokens_of(text)), cursor_(tokens_) {}

  void parse();

 private:
  /// `.align 4 .b8 name[16]`.
  struct Declaration {
    std::string name;
    Type type = Type::kB8;
    size_t alignment = 1;
    size_t bytes = 0;
    bool open_ended = false;  ///< name[]
  };

  Declaration declaration();
  size_t extent();
  void module_variable(Space space);
  void initialise(std::byte* data, const Declaration& declared);
  void entry();
  void parameter(Kernel& kernel);
  void body(Kernel& kernel);
  void body_directive(Kernel& kernel, Decoder& decoder, const std::string& directive);
  void registers(Decoder& decoder);
  Statement statement();
  void place(Kernel& kernel, const std::string& name, Variable variable);
  void place_shared(Kernel& kernel, const std::vector<Statement>& statements);

  Module& module_;
  std::vector<Token> tokens_;
  Cursor cursor_;
  std::map<std::string, Variable> visible_;  ///< To the kernel being parsed.
};

}  // namespace luna::test::ptx
