// The words of torch's errors.
#pragma once

#include <c10/util/Exception.h>

#include <string>

namespace luna::test {

/// The message of the c10::Error that `action` throws, without the stack; "no error" if it throws
/// none.
template <typename Action>
std::string torch_error_of(Action&& action) {
  try {
    action();
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "no error";
}

}  // namespace luna::test
