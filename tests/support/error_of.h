// The words of an error.
#pragma once

#include <stdexcept>
#include <string>

namespace luna::testing {

/// what() of the Error that `action` throws; "no error" if it throws none.
template <typename Error = std::runtime_error, typename Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace luna::testing
