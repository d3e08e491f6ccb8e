// Fresh memory full of NaN, so that an output that is not written everywhere shows.
#pragma once

#include <ATen/Context.h>

namespace luna::test {

/// From now on at::empty and its kin are filled with NaN in this process.
inline void poison_fresh_memory() {
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
  at::globalContext().setDeterministicFillUninitializedMemory(true);
}

}  // namespace luna::test
