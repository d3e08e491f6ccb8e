#include "experiments/runner/build_paths.h"

namespace luna::experiments {

const char *const kTiersFile = LUNA_TIERS_FILE, *const kSchedules = LUNA_SCHEDULES,
                  *const kTunables = LUNA_TUNABLES, *const kGenerators = LUNA_GENERATORS,
                  *const kCompiler = LUNA_COMPILER, *const kPredict = LUNA_PREDICT,
                  *const kPtxas = LUNA_PTXAS;

}  // namespace luna::experiments
