// The half of ModuleParser that reads kernels.
#include "tests/support/ptx/module_parser.h"

namespace luna::test::ptx {
namespace {

/// More than any real kernel has; keeps malformed text from taking all memory.
constexpr int64_t kMostRegisters = 1 << 20;

size_t align_up(size_t value, size_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

std::string text_of(const Statement& statement) {
  std::string text;
  const size_t opcode = statement[0].text != "@" ? 0 : statement[1].text == "!" ? 3 : 2;
  for (size_t i = 0; i < statement.size(); i++) {
    const std::string& token = statement[i].text;
    const bool last = i + 1 == statement.size();
    const bool spaced = i == opcode || i + 1 == opcode || token == ",";
    text += token + (spaced && !last ? " " : "");
  }
  return "line " + std::to_string(statement[0].line) + ": " + text;
}

}  // namespace

void ModuleParser::entry() {
  const std::string name = cursor_.word();
  Kernel& kernel = module_.kernels_[name] = Kernel{};
  kernel.name = name;
  visible_.clear();
  for (const auto& [variable, where] : module_.variables_) {
    if (where.space != Space::kShared) visible_[variable] = where;
  }
  if (cursor_.accept("(")) {
    while (!cursor_.accept(")")) {
      if (!kernel.parameters.empty()) cursor_.expect(",");
      parameter(kernel);
    }
  }
  while (is_word(cursor_.peek()) || cursor_.peek() == ",") cursor_.take();  // .maxntid 32, 1, 1
  cursor_.expect("{");
  body(kernel);
}

void ModuleParser::parameter(Kernel& kernel) {
  cursor_.expect(".param");
  const Declaration declared = declaration();
  const size_t offset = align_up(kernel.parameter_bytes(), declared.alignment);
  kernel.parameters.push_back({declared.name, offset, declared.bytes});
  visible_[declared.name] = {Space::kParam, offset, declared.bytes, declared.alignment, false};
}

void ModuleParser::place(Kernel& kernel, const std::string& name, Variable variable) {
  size_t& used = variable.space == Space::kShared ? kernel.shared_bytes : kernel.local_bytes;
  variable.address = align_up(used, variable.alignment);
  used = variable.address + variable.bytes;
  visible_[name] = variable;
}

/// Shared variables of the module that the kernel names; the dynamic ones begin where the static
/// ones end.
void ModuleParser::place_shared(Kernel& kernel, const std::vector<Statement>& statements) {
  std::map<std::string, Variable> dynamic;
  for (const Statement& statement : statements) {
    for (const Token& token : statement) {
      const auto found = module_.variables_.find(token.text);
      if (found == module_.variables_.end() || found->second.space != Space::kShared ||
          visible_.count(token.text)) {
        continue;
      }
      if (found->second.dynamic)
        dynamic.insert(*found);
      else
        place(kernel, token.text, found->second);
    }
  }
  for (const auto& [name, variable] : dynamic) place(kernel, name, variable);
}

void ModuleParser::body(Kernel& kernel) {
  Decoder decoder(kernel, visible_);
  std::vector<Statement> statements;
  for (int depth = 1; depth > 0;) {
    const std::string& next = cursor_.peek();
    if (next == "{" || next == "}") {
      depth += next == "{" ? 1 : -1;
      cursor_.take();
    } else if (!next.empty() && next[0] == '.') {
      body_directive(kernel, decoder, cursor_.word());
    } else {
      Statement found = statement();
      if (found.size() == 1 && cursor_.accept(":")) {
        decoder.declare_label(found[0].text, static_cast<uint32_t>(statements.size()));
      } else {
        cursor_.expect(";");
        statements.push_back(std::move(found));
      }
    }
  }
  place_shared(kernel, statements);
  for (const Statement& found : statements) {
    kernel.code.push_back(decoder.decode(found));
    kernel.text.push_back(text_of(found));
  }
  kernel.code.emplace_back().kind = Kind::kExit;
  kernel.code.back().work = Work::kControl;
  kernel.text.emplace_back("end of the kernel");
}

/// The tokens to the semicolon or, of a label, to the colon.
Statement ModuleParser::statement() {
  Statement found;
  int depth = 0;
  while (cursor_.peek() != ";" && cursor_.peek() != ":" && (depth || cursor_.peek() != "}")) {
    depth += cursor_.peek() == "{" ? 1 : cursor_.peek() == "}" ? -1 : 0;
    found.push_back(cursor_.take());
  }
  if (found.empty()) throw ParseError(cursor_.line(), "expected an instruction");
  return found;
}

void ModuleParser::body_directive(Kernel& kernel, Decoder& decoder, const std::string& directive) {
  if (directive == ".loc") return cursor_.skip_line();
  const int line = cursor_.line();
  if (directive == ".reg") {
    registers(decoder);
  } else if (directive == ".shared" || directive == ".local") {
    const Declaration declared = declaration();
    place(kernel, declared.name,
          {directive == ".local" ? Space::kLocal : Space::kShared, 0, declared.bytes,
           declared.alignment, declared.open_ended});
  } else if (directive == ".pragma") {
    cursor_.take();
  } else {
    throw ParseError(line, "not implemented: " + directive);
  }
  cursor_.expect(";");
}

void ModuleParser::registers(Decoder& decoder) {
  const int line = cursor_.line();
  const std::string word = cursor_.word();
  const std::optional<Type> type = find_type(word.substr(1));
  if (word[0] != '.' || !type) throw ParseError(line, "not implemented: .reg " + word);
  do {
    const std::string name = cursor_.word();
    if (!cursor_.accept("<")) {
      decoder.declare_register(name, *type);
      continue;
    }
    const int64_t count = cursor_.integer();
    if (count < 0 || count > kMostRegisters) throw ParseError(line, "too many registers: " + name);
    decoder.declare_registers(name, count, *type);
    cursor_.expect(">");
  } while (cursor_.accept(","));
}

}  // namespace luna::test::ptx
