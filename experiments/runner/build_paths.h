// Where this build, its checkout and its tools lie. Defined in a file of its own, so that the
// program holds every path in one piece, for whoever looks for them there.
#pragma once

namespace luna::experiments {

extern const char *const kTiersFile,
    *const kSchedules, *const kTunables, *const kGenerators, *const kCompiler, *const kPredict,
                                                                                   *const kPtxas;

}  // namespace luna::experiments
