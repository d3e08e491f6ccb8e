// What two runs of a cell must have in common.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/temporary_folder.h"

namespace luna::testing {

/// A cell's DONE without the time that it took.
inline nlohmann::json without_seconds(const std::filesystem::path& cell) {
  nlohmann::json done = nlohmann::json::parse(read_text(cell / "DONE"));
  EXPECT_EQ(done.erase("seconds"), 1u);
  return done;
}

}  // namespace luna::testing
