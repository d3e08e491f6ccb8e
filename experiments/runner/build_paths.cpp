#include "experiments/runner/build_paths.h"

namespace luna::experiments {

const char* const kTiersFile = LUNA_TIERS_FILE;
const char* const kSchedules = LUNA_SCHEDULES;
const char* const kTunables = LUNA_TUNABLES;
const char* const kGenerators = LUNA_GENERATORS;
const char* const kCompiler = LUNA_COMPILER;
const char* const kPredict = LUNA_PREDICT;
const char* const kPtxas = LUNA_PTXAS;

}  // namespace luna::experiments
