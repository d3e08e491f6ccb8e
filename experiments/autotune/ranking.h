// CUDA candidates without a GPU: what ptxas and the instruction counts of luna_predict say of them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "experiments/autotune/candidate.h"

namespace luna::autotune {

struct Assembler {
  std::string ptxas, architecture;  ///< "sm_90"
};

/// Why a candidate is not worth a trial: ptxas refuses it, it spills, or its registers leave no
/// multiprocessor as many warps as hide an instruction's latency; "" where it is.
std::string inspect(const Assembler& assembler, const Candidate& candidate);

struct Ranked {
  Parameters parameters;
  int registers, warps;  ///< a thread; a multiprocessor, as registers allow
  double ns;             ///< a token of one head at full issue of an H100; infinite: not known
};

/// The best first. predict: the program luna_predict.
std::vector<Ranked> rank(const Assembler& assembler, const std::string& predict,
                         const std::filesystem::path& folder, const Tunable& tunable,
                         const std::vector<Parameters>& candidates);

/// Under a heading that says what it is; the default marked.
std::string ranking(const Tunable& tunable, const std::vector<Ranked>& ranked);

}  // namespace luna::autotune
