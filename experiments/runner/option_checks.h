// What values options take: each check returns what the command line says after the option's name,
// "" where the value is accepted. Used by command_line.cpp; tested in tests/experiments/runner.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace luna::experiments {

std::string check_path(const std::string& path);

/// Of a name.
std::string check_part(const std::string& part);

std::string check_file(const std::string& path);

/// A tier's name is that of its folder of results.
std::string check_tier_name(const std::string& name);

/// Not-a-number is in no range, infinity in none that ends.
std::string check_real(const std::string& text, double least, double most);
std::string check_whole(const std::string& text, int64_t least, int64_t most);

/// Entries by comma; "1,,2" has an empty one.
std::vector<std::string> entries_of(const std::string& list);

}  // namespace luna::experiments
