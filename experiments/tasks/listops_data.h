// ListOps: expressions such as [MAX 2 [MIN 4 7 ] 0 ] over digits, and their values, 0 .. 9. The
// generator has the published one's distribution; the text is that of the Long Range Arena.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace luna::experiments {

/// A token of an expression is one byte: an operator together with its opening bracket, the closing
/// bracket, or a digit.
enum ListOpsToken : char {
  kListOpsMin = 1,
  kListOpsMax,
  kListOpsMed,
  kListOpsSm,
  kListOpsClose,
  kListOpsZero,
  kListOpsNine = kListOpsZero + 9
};

/// Distribution of expressions. A node at max_depth (the root has depth 1) is a digit; another one
/// is an operator with probability p_operator, its arguments uniform in [min_args, max_args], or
/// always if it is the root and root_operator. Kept are the distinct expressions with
/// min_length < tokens < max_length.
struct ListOpsParameters {
  int64_t min_length = 500;
  int64_t max_length = 2000;
  int64_t max_depth = 10;
  int64_t min_args = 2;
  int64_t max_args = 10;
  double p_operator = 0.25;
  bool root_operator = false;
  uint64_t data_seed = 0;
};

struct ListOpsExample {
  std::string tokens;  ///< ListOpsToken bytes
  int64_t label;
};

/// `count` distinct expressions in random order: any part of them has the same distribution as the
/// rest. A pure function of its arguments. Throws UsageError where too many draws in a row give
/// nothing new.
std::vector<ListOpsExample> generate_listops(const ListOpsParameters& parameters, int64_t count);

/// Value of an expression: MED is the median truncated to an integer, SM the sum modulo 10. Throws
/// std::invalid_argument (what is wrong) unless the tokens are one whole expression.
int64_t listops_value(std::string_view tokens);

/// "( ( ( [MAX 2 ) 4 ) ] )": a pair of parentheses joins an operator to its first argument, that to
/// the second, and so on, and all of it to the closing bracket.
std::string listops_text(std::string_view tokens);

/// Inverse of listops_text, with the label. Throws std::invalid_argument (what is wrong) where the
/// source has another form or more than `longest` tokens, or the target is not its value.
ListOpsExample parse_listops(std::string_view source, std::string_view target, int64_t longest);

/// How tokens become ids; 0 is padding.
enum class ListOpsTokenizer {
  brackets,  ///< the 15 tokens are ids 1 .. 15
  lra  ///< the Arena's first results: closing brackets are dropped, so is the structure; 14 ids
};

/// Ids lie below this: padding, the tokens, and the published tables' unknown token.
int64_t listops_vocabulary(ListOpsTokenizer tokenizer);
std::vector<int64_t> listops_ids(std::string_view tokens, ListOpsTokenizer tokenizer);

}  // namespace luna::experiments
