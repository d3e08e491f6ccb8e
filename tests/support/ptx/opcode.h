// An opcode such as "mad.lo.s32": its name, its modifiers and its types, taken one by one; what is
// left over at the end has no implementation.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace luna::test::ptx {

enum class Type : uint8_t {
  kPredicate,
  kB8,
  kB16,
  kB32,
  kB64,
  kU8,
  kU16,
  kU32,
  kU64,
  kS8,
  kS16,
  kS32,
  kS64,
  kF16,
  kBf16,
  kTf32,
  kF32,
  kF64
};

std::optional<Type> find_type(std::string_view name);
size_t bytes_of(Type type);
bool is_signed(Type type);
bool is_float(Type type);

class Opcode {
 public:
  explicit Opcode(const std::string& text);

  const std::string& name() const { return name_; }

  /// Whether the modifier is there; it counts as understood.
  bool take(std::string_view modifier);
  /// Takes every modifier that begins so.
  void take_all(std::string_view prefix);
  /// The first of these modifiers that is there, else "".
  std::string take_one_of(std::initializer_list<const char*> modifiers);
  /// The next type, in the order of the text.
  std::optional<Type> take_type();
  /// No modifier is left.
  bool empty() const { return modifiers_.empty(); }
  /// Marks the opcode as one without an implementation: it is never empty again. Returns true.
  bool reject();

 private:
  std::string name_;
  std::vector<std::string> modifiers_;
};

}  // namespace luna::test::ptx
