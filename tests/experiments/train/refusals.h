// What train_cell() and the parts of a cell's folder say when they refuse.
#pragma once

#include <filesystem>
#include <string>

namespace luna::experiments::test {

inline const std::string kOtherFolder = "choose another results folder with --results";

/// The disk refuses a file, for a reason in the system's words.
inline std::string disk_refusal(const std::filesystem::path& path, const std::string& reason) {
  return path.string() + ": " + reason + "; " + kOtherFolder;
}

/// The folder is of another configuration.
inline std::string other_configuration(const std::filesystem::path& folder,
                                       const std::string& difference) {
  return folder.string() + " holds results of another configuration: " + difference + "; " +
         kOtherFolder + ", or delete this one";
}

}  // namespace luna::experiments::test
