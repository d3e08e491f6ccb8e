// What a result was made on and with, as env.json holds it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace luna::experiments {

/// Of the libluna.so that this process runs with.
std::string library_sha256();

/// Processor, instruction set, cores, threads, memory, system, compiler, versions of torch, Halide
/// and this project, its commit ("unknown" where it was configured outside git) and its library's
/// checksum.
nlohmann::json capture_environment();

}  // namespace luna::experiments
