// Texts that take long to make, made by several processes: the interpreter runs one launch at a
// time.
#pragma once

#include <functional>
#include <string>

namespace luna::test {

/// Makes texts 0 .. count - 1, count up to 8192 (a pipe's room), of less than 64 KiB each, in so
/// many processes, which take the next one as they are done, and hands them over in their order.
/// Throws std::runtime_error with what `make` threw. To be called before anything starts threads,
/// which processes would lack.
void make_in_order(size_t count, int processes, const std::function<std::string(size_t)>& make,
                   const std::function<void(size_t, const std::string&)>& use);

}  // namespace luna::test
