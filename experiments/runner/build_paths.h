// Where this build, its checkout and its tools lie. Defined in a file of its own, so that the
// program holds every path in one piece, for whoever looks for them there.
#pragma once

namespace luna::experiments {

extern const char* const kTiersFile;
extern const char* const kSchedules;
extern const char* const kTunables;
extern const char* const kGenerators;
extern const char* const kCompiler;
extern const char* const kPredict;
extern const char* const kPtxas;

}  // namespace luna::experiments
