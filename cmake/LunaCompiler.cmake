# Compiler cache, warnings and sanitizers for every target of the project.
find_program(LUNA_CCACHE ccache)
if(LUNA_CCACHE)
  # A precompiled header is cacheable only with these sloppiness settings and -fpch-preprocess.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${LUNA_CCACHE})
  add_compile_options(-fpch-preprocess)
endif()

set(LUNA_SANITIZE "" CACHE STRING "Sanitizers for parsers, bridge and tests, for example address,undefined")
if(LUNA_SANITIZE)
  add_compile_options(-fsanitize=${LUNA_SANITIZE} -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=${LUNA_SANITIZE})
endif()

add_library(luna_warnings INTERFACE)
target_compile_options(luna_warnings INTERFACE -Wall -Wextra -Werror=return-type)
