// The IDX format of MNIST and its relatives: two zero bytes, the element type, the rank, `rank`
// big-endian sizes, then the elements. Unsigned bytes only.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace luna::io {

struct IdxBytes {
  std::vector<size_t> sizes;
  std::string_view elements;  ///< row-major, product(sizes) of them; a view of what was parsed
};

/// Parses an IDX file of unsigned bytes with `rank` sizes; allocates nothing that the header asks
/// for. Throws std::runtime_error: `name`, what is wrong with it, and the cure.
IdxBytes parse_idx(std::string_view bytes, size_t rank, const std::string& name);

}  // namespace luna::io
