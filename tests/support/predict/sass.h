// From PTX to what a GPU issues: ptxas says which machine instructions a line of PTX becomes, the
// interpreter how often that line is met.
#pragma once

#include <string>

#include "tests/support/ptx/driver.h"

namespace luna::test {

struct SassTools {
  std::string ptxas, nvdisasm;
  bool exist() const;
};

/// Machine instructions of architecture "sm_90" that warps issue for the profile. Where ptxas has
/// unrolled a loop, a line is several instructions of which one is met at a time: a block of PTX
/// without branches is taken to be copied as often as its multiply-adds, shuffles and accesses to
/// memory are. Throws std::runtime_error where a tool fails.
double issued(const SassTools& tools, const PtxProfile& profile);

}  // namespace luna::test
