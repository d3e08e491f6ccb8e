#include "tests/support/ptx/opcode.h"

#include <algorithm>
#include <map>

namespace luna::test::ptx {

std::optional<Type> find_type(std::string_view name) {
  static const std::map<std::string_view, Type> types{
      {"pred", Type::kPredicate}, {"b8", Type::kB8},   {"b16", Type::kB16},   {"b32", Type::kB32},
      {"b64", Type::kB64},        {"u8", Type::kU8},   {"u16", Type::kU16},   {"u32", Type::kU32},
      {"u64", Type::kU64},        {"s8", Type::kS8},   {"s16", Type::kS16},   {"s32", Type::kS32},
      {"s64", Type::kS64},        {"f16", Type::kF16}, {"bf16", Type::kBf16}, {"tf32", Type::kTf32},
      {"f32", Type::kF32},        {"f64", Type::kF64}};
  const auto found = types.find(name);
  return found == types.end() ? std::nullopt : std::optional(found->second);
}

size_t bytes_of(Type type) {
  switch (type) {
    case Type::kB8:
    case Type::kU8:
    case Type::kS8:
      return 1;
    case Type::kB16:
    case Type::kU16:
    case Type::kS16:
    case Type::kF16:
    case Type::kBf16:
      return 2;
    case Type::kB64:
    case Type::kU64:
    case Type::kS64:
    case Type::kF64:
      return 8;
    default:
      return 4;
  }
}

bool is_signed(Type type) {
  return type == Type::kS8 || type == Type::kS16 || type == Type::kS32 || type == Type::kS64;
}

bool is_float(Type type) {
  return type == Type::kF16 || type == Type::kBf16 || type == Type::kF32 || type == Type::kF64;
}

Opcode::Opcode(const std::string& text) {
  size_t begin = text.find('.');
  name_ = text.substr(0, begin);
  while (begin != std::string::npos) {
    const size_t end = text.find('.', begin + 1);
    modifiers_.push_back(text.substr(begin + 1, end == std::string::npos ? end : end - begin - 1));
    begin = end;
  }
}

bool Opcode::take(std::string_view modifier) {
  const auto found = std::find(modifiers_.begin(), modifiers_.end(), modifier);
  if (found == modifiers_.end()) return false;
  modifiers_.erase(found);
  return true;
}

void Opcode::take_all(std::string_view prefix) {
  const auto begins = [&](const std::string& text) { return text.rfind(prefix, 0) == 0; };
  modifiers_.erase(std::remove_if(modifiers_.begin(), modifiers_.end(), begins), modifiers_.end());
}

std::string Opcode::take_one_of(std::initializer_list<const char*> modifiers) {
  for (const char* modifier : modifiers) {
    if (take(modifier)) return modifier;
  }
  return "";
}

std::optional<Type> Opcode::take_type() {
  for (auto place = modifiers_.begin(); place != modifiers_.end(); ++place) {
    if (const std::optional<Type> type = find_type(*place)) {
      modifiers_.erase(place);
      return type;
    }
  }
  return std::nullopt;
}

bool Opcode::reject() {
  modifiers_.emplace_back();
  return true;
}

}  // namespace luna::test::ptx
