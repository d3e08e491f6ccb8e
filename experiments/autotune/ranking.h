// CUDA candidates without a GPU: what ptxas, the limits of a multiprocessor and the instruction
// counts of luna_predict say of them.
#pragma once

#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "experiments/autotune/candidate.h"
#include "experiments/autotune/occupancy.h"

namespace luna::autotune {

struct Assembler {
  std::string ptxas;
  Architecture architecture;
  std::filesystem::path predict;  ///< the program luna_predict
};

/// What is known of a candidate.
struct Inspection {
  /// Why it is not worth a trial, "" where it is: ptxas refuses it, it spills, its registers times
  /// threads or its shared memory are more than there is, or its registers leave a multiprocessor
  /// fewer warps than hide an instruction's latency.
  std::string reason;
  BlockUse use{};  ///< of the kernel that leaves a multiprocessor the fewest warps
  Occupancy occupancy{};
  /// A token of one head at full issue of an H100; infinite: no operator calls the pipeline.
  double ns = std::numeric_limits<double>::infinity();
};

/// Of a candidate that is compiled. Kept beside it where there is luna_predict: the second time
/// nothing is run. What is kept is of these programs: State's key holds them.
Inspection inspect(const Assembler& assembler, const Tunable& tunable, const Candidate& candidate);

/// One kernel's part of it: the reason, of `use` on an architecture.
std::string refusal(const Architecture& on, const BlockUse& use);

struct Ranked {
  Parameters parameters;
  Inspection inspection;
};

/// Under a heading that says what it is, the candidates that pass, the best first and the default
/// marked, then the others with why not.
std::string ranking(const Tunable& tunable, const Architecture& on, std::vector<Ranked> candidates);

}  // namespace luna::autotune
