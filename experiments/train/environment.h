// What a result was made on and with, as env.json holds it.
#pragma once

#include <nlohmann/json.hpp>

namespace luna::experiments {

/// Processor, instruction set, cores, threads, memory, system, compiler, versions of torch, Halide
/// and this project.
nlohmann::json capture_environment();

}  // namespace luna::experiments
