#include "tests/support/ptx/tokens.h"

#include <cctype>
#include <cstdlib>

#include "tests/support/ptx/instruction.h"

namespace luna::test::ptx {
namespace {

bool in_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' ||
         c == '.';
}

/// The end of the comment that begins at `begin`, or `begin` where none does.
size_t end_of_comment(std::string_view text, size_t begin, int line) {
  if (text.substr(begin, 2) == "//") return std::min(text.find('\n', begin), text.size());
  if (text.substr(begin, 2) != "/*") return begin;
  const size_t end = text.find("*/", begin + 2);
  if (end == std::string_view::npos) throw ParseError(line, "comment without end");
  return end + 2;
}

size_t end_of_token(std::string_view text, size_t begin, int line) {
  size_t end = begin;
  if (text[begin] == '"') {
    end = text.find('"', begin + 1);
    if (end == std::string_view::npos) throw ParseError(line, "string without end");
    return end + 1;
  }
  while (end < text.size()) {
    if (in_word(text[end])) {
      end++;
    } else if (end > begin && text.substr(end, 2) == "::") {
      end += 2;
    } else {
      break;
    }
  }
  return std::max(end, begin + 1);
}

}  // namespace

bool is_word(const std::string& text) { return !text.empty() && in_word(text[0]); }

std::vector<Token> tokens_of(std::string_view text) {
  std::vector<Token> tokens;
  int line = 1;
  for (size_t begin = 0; begin < text.size();) {
    const bool space = std::isspace(static_cast<unsigned char>(text[begin])) || !text[begin];
    size_t end = space ? begin + 1 : end_of_comment(text, begin, line);
    if (end == begin) {
      end = end_of_token(text, begin, line);
      tokens.push_back({std::string(text.substr(begin, end - begin)), line});
    }
    for (; begin < end; begin++) line += text[begin] == '\n';
  }
  return tokens;
}

const std::string& Cursor::peek() const {
  static const std::string none;
  return at_end() ? none : tokens_[next_].text;
}

int Cursor::line() const {
  if (tokens_.empty()) return 1;
  return tokens_[at_end() ? next_ - 1 : next_].line;
}

const Token& Cursor::take() {
  if (at_end()) throw ParseError(line(), "unexpected end");
  return tokens_[next_++];
}

bool Cursor::accept(std::string_view text) {
  if (at_end() || peek() != text) return false;
  next_++;
  return true;
}

void Cursor::expect(std::string_view text) {
  if (!accept(text)) {
    const std::string found = at_end() ? "the end" : "'" + peek() + "'";
    throw ParseError(line(), "expected '" + std::string(text) + "' instead of " + found);
  }
}

std::string Cursor::word() {
  if (!is_word(peek())) {
    const std::string found = at_end() ? "the end" : "'" + peek() + "'";
    throw ParseError(line(), "expected a word instead of " + found);
  }
  return take().text;
}

int64_t Cursor::integer() {
  const bool negative = accept("-");
  const int here = line();
  const int64_t value = integer_of(word(), here);
  return negative ? static_cast<int64_t>(-static_cast<uint64_t>(value)) : value;
}

void Cursor::skip_line() {
  for (const int here = line(); !at_end() && tokens_[next_].line == here;) next_++;
}

int64_t integer_of(const std::string& text, int line) {
  char* end = nullptr;
  const uint64_t value = std::strtoull(text.c_str(), &end, 0);
  if (*end == 'U') end++;
  if (text.empty() || !std::isdigit(static_cast<unsigned char>(text[0])) || *end) {
    throw ParseError(line, "expected a number instead of '" + text + "'");
  }
  return static_cast<int64_t>(value);
}

}  // namespace luna::test::ptx
