// A pipeline under other parameters of its schedule: generated (or compiled by nvcc), linked into a
// library of its own and loaded beside libluna, whose Halide runtime it uses.
#pragma once

#include <filesystem>
#include <string>

#include "experiments/autotune/space.h"
#include "runtime/kernels/registry.h"

namespace luna::autotune {

/// Programs of the build.
struct Tools {
  std::filesystem::path generators;  ///< the generators' executable
  std::filesystem::path compiler;    ///< links
};

/// One candidate on disk.
struct Candidate {
  std::string function;           ///< name of the pipeline in its library
  std::filesystem::path library;  ///< .so; what it is made of lies beside it
  std::filesystem::path object() const;
  std::filesystem::path ptx() const;  ///< of a kernel in CUDA C++
};

/// Where the candidate of these parameters is or will be.
Candidate candidate_at(const std::filesystem::path& folder, const Tunable& tunable,
                       const Parameters& parameters);

/// Removes every candidate of a folder: they are of another build.
void remove_candidates(const std::filesystem::path& folder);

/// Whether it is there.
bool compiled(const Candidate& candidate);

/// Generates and links it, unless it is there. Why that cannot be, in one line; "" where it can.
std::string compile(const Tools& tools, const Tunable& tunable, const Parameters& parameters,
                    const Candidate& candidate);

/// Its entry; loaded for the life of the process. Throws std::runtime_error.
kernels::Pipeline load(const Candidate& candidate);

}  // namespace luna::autotune
