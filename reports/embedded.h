// Templates and texts as strings in the library; embedded.cpp.in is filled in by CMake.
#pragma once

namespace luna::reports::embedded {

extern const char* const kMarkdownTemplate;
extern const char* const kHtmlTemplate;
extern const char* const kPaperToml;
extern const char* const kExperimentsToml;

}  // namespace luna::reports::embedded
