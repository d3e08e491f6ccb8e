#include "tests/support/ptx/module.h"

#include <algorithm>

#include "tests/support/ptx/module_parser.h"

namespace luna::test::ptx {
namespace {

/// Keeps malformed text from taking all memory.
constexpr int64_t kMostBytes = 1 << 28;

}  // namespace

size_t Kernel::parameter_bytes() const {
  return parameters.empty() ? 0 : parameters.back().offset + parameters.back().bytes;
}

Module::Module(std::string_view text) { ModuleParser(*this, text).parse(); }

const Kernel* Module::find(const std::string& name) const {
  const auto found = kernels_.find(name);
  return found == kernels_.end() ? nullptr : &found->second;
}

bool Module::contains(uint64_t address, size_t bytes) const {
  return std::any_of(variables_.begin(), variables_.end(), [&](const auto& named) {
    const Variable& variable = named.second;
    return variable.space != Space::kShared && address >= variable.address &&
           address - variable.address + bytes <= variable.bytes;
  });
}

void ModuleParser::parse() {
  cursor_.expect(".version");
  cursor_.skip_line();
  while (!cursor_.at_end()) {
    const int line = cursor_.line();
    const std::string word = cursor_.word();
    if (word == ".target" || word == ".address_size" || word == ".file") {
      cursor_.skip_line();
    } else if (word == ".entry") {
      entry();
    } else if (word == ".const" || word == ".global" || word == ".shared") {
      module_variable(word == ".shared"  ? Space::kShared
                      : word == ".const" ? Space::kConst
                                         : Space::kGlobal);
    } else if (word != ".visible" && word != ".extern" && word != ".weak") {
      throw ParseError(line, "not implemented: " + word);
    }
  }
}

size_t ModuleParser::extent() {
  const int line = cursor_.line();
  const int64_t value = cursor_.integer();
  if (value < 0 || value > kMostBytes)
    throw ParseError(line, "an extent of " + std::to_string(value));
  return static_cast<size_t>(value);
}

ModuleParser::Declaration ModuleParser::declaration() {
  Declaration declared;
  bool pointee = false;  // What follows .ptr describes what a parameter points to.
  for (bool named = false; !named;) {
    const int line = cursor_.line();
    const std::string word = cursor_.word();
    if (word == ".ptr") {
      pointee = true;
    } else if (word == ".align") {
      const size_t alignment = extent();
      if (!pointee) declared.alignment = std::max<size_t>(1, alignment);
    } else if (word[0] != '.') {
      declared.name = word;
      named = true;
    } else if (const std::optional<Type> type = find_type(word.substr(1))) {
      declared.type = *type;
      declared.alignment = std::max(declared.alignment, bytes_of(*type));
    } else if (!pointee) {
      throw ParseError(line, "not implemented: " + word);
    }
  }
  declared.bytes = bytes_of(declared.type);
  while (cursor_.accept("[")) {
    declared.open_ended = cursor_.accept("]");
    if (declared.open_ended) continue;
    const int line = cursor_.line();
    declared.bytes *= extent();
    if (declared.bytes > kMostBytes) throw ParseError(line, "too large: " + declared.name);
    cursor_.expect("]");
  }
  if (declared.open_ended) declared.bytes = 0;
  return declared;
}

void ModuleParser::module_variable(Space space) {
  const Declaration declared = declaration();
  Variable variable{space, 0, declared.bytes, declared.alignment, declared.open_ended};
  if (space != Space::kShared) {
    const size_t units = declared.bytes / sizeof(std::max_align_t) + 1;
    auto* const data = reinterpret_cast<std::byte*>(module_.data_.emplace_back(units).data());
    variable.address = reinterpret_cast<uint64_t>(data);
    if (cursor_.accept("=")) initialise(data, declared);
  }
  cursor_.expect(";");
  module_.variables_[declared.name] = variable;
}

void ModuleParser::initialise(std::byte* data, const Declaration& declared) {
  const size_t width = bytes_of(declared.type);
  const bool list = cursor_.accept("{");
  size_t offset = 0;
  do {
    const int line = cursor_.line();
    if (offset + width > declared.bytes) throw ParseError(line, "too many values");
    const std::string word = cursor_.peek();
    const bool number = word.size() > 2 && (word[1] == 'f' || word[1] == 'd');
    const int64_t value =
        number ? integer_of("0x" + cursor_.word().substr(2), line) : cursor_.integer();
    std::memcpy(data + offset, &value, width);
    offset += width;
  } while (list && cursor_.accept(","));
  if (list) cursor_.expect("}");
}

}  // namespace luna::test::ptx
