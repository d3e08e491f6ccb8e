// The clock of every timing.
#pragma once

#include <chrono>

namespace luna::bench {

inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace luna::bench
