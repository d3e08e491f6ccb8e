// PTX text as tokens, and a cursor over them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace luna::test::ptx {

/// A word (".reg", "%r1", "ld.global.b32", "0f3F800000"), a string with its quotes, or one sign.
struct Token {
  std::string text;
  int line = 0;
};

/// Throws ParseError for a comment or a string without end.
std::vector<Token> tokens_of(std::string_view text);

/// Whether the token is a word: a name, a directive, an opcode or a number.
bool is_word(const std::string& text);

class Cursor {
 public:
  /// The tokens must outlive the cursor.
  explicit Cursor(const std::vector<Token>& tokens) : tokens_(tokens) {}

  bool at_end() const { return next_ == tokens_.size(); }
  /// The text of the next token; "" at the end.
  const std::string& peek() const;
  int line() const;
  /// The next token, passed; throws ParseError at the end.
  const Token& take();
  /// Passes the next token if it is `text`.
  bool accept(std::string_view text);
  /// Passes the next token, which must be `text`; throws ParseError otherwise.
  void expect(std::string_view text);
  /// The next token, passed, which must be a word.
  std::string word();
  /// The next word as an integer, with a minus sign before it or not.
  int64_t integer();
  /// Passes the tokens of the current line.
  void skip_line();

 private:
  const std::vector<Token>& tokens_;
  size_t next_ = 0;
};

/// An integer literal: decimal, 0x, octal, with U or not; throws ParseError otherwise.
int64_t integer_of(const std::string& text, int line);

}  // namespace luna::test::ptx
