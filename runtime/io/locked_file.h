// Files that one process at a time holds: what AtomicFile and the locks of results are made of.
// Tested in tests/runtime/io.
#pragma once

#include <filesystem>
#include <stdexcept>

namespace luna::io {

/// Another process holds what is asked for: wait for it, or ask for something else.
struct InUse : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Opens the file for reading and writing, made where there is none, and locks it for as long as
/// the descriptor is open: the lock dies with its process, and what a killed one left is taken
/// over. Returns -1 with errno set; EWOULDBLOCK: it is locked. Whoever holds the lock may rename or
/// remove the file before it closes the descriptor: no other process then takes what is gone for
/// the file.
int open_locked(const std::filesystem::path& path);

}  // namespace luna::io
