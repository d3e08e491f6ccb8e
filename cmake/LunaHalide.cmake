# Halide from the project's .venv (or Halide_DIR), and luna_pipeline(): one ahead-of-time pipeline.
if(NOT Halide_DIR)
  file(GLOB LUNA_HALIDE_CANDIDATES
       "${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/halide/lib*/cmake/Halide")
  if(NOT LUNA_HALIDE_CANDIDATES)
    message(FATAL_ERROR "Halide not found in .venv. Run `make setup`, or pass -DHalide_DIR=<...>/cmake/Halide.")
  endif()
  list(GET LUNA_HALIDE_CANDIDATES 0 Halide_DIR)
endif()
set(HalideHelpers_DIR "${Halide_DIR}/../HalideHelpers")
find_package(Halide 21 REQUIRED)

# CPU kernels carry both instruction sets and choose at run time; CUDA kernels are PTX for capability 8.0.
set(LUNA_CPU_TARGETS
  x86-64-linux-avx-avx2-f16c-fma-sse41-avx512-avx512_skylake
  x86-64-linux-avx-avx2-f16c-fma-sse41)
set(LUNA_CUDA_TARGET x86-64-linux-avx-avx2-f16c-fma-sse41-cuda-cuda_capability_80-user_context)
set(LUNA_MAX_PIPELINES 170)
set_property(GLOBAL PROPERTY LUNA_PIPELINES "")
include(LunaSchedules)

# luna_pipeline(NAME GENERATOR DEVICE [PARAM=VALUE ...] [TUNE PARAM=VALUE[,VALUE ...] ...]): builds function NAME,
# DEVICE is cpu or cuda. TUNE names parameters of the schedule, which change how fast NAME is and nothing else, each
# with its default and the other values that `make autotune` tries; for a device that a file of generators/schedules/
# has tuned, NAME is built once more.
function(luna_pipeline name generator device)
  cmake_parse_arguments(PARSE_ARGV 3 arg "" "" "TUNE")
  list(TRANSFORM arg_TUNE REPLACE ",.*" "" OUTPUT_VARIABLE defaults)
  _luna_compile(${name} ${generator} ${device} ${arg_UNPARSED_ARGUMENTS} ${defaults})
  if(arg_TUNE)
    luna_add_tunable(${name} ${generator} ${device} "${arg_UNPARSED_ARGUMENTS}" "${arg_TUNE}")
  endif()
endfunction()

function(_luna_compile name generator device)
  if(device STREQUAL "cpu")
    set(targets ${LUNA_CPU_TARGETS})
  else()
    set(targets ${LUNA_CUDA_TARGET})
  endif()
  set(params "")
  if(ARGN)
    set(params PARAMS ${ARGN})
  endif()
  add_halide_library(${name} FROM luna_generators GENERATOR ${generator} TARGETS ${targets}
                     USE_RUNTIME luna_halide_runtime ${params})
  set_property(GLOBAL APPEND PROPERTY LUNA_PIPELINES ${name})
endfunction()

# Fails when the number of pipelines, which is the build time, has grown past the ceiling.
function(luna_check_pipelines)
  get_property(pipelines GLOBAL PROPERTY LUNA_PIPELINES)
  list(LENGTH pipelines count)
  message(STATUS "Halide pipelines: ${count} (ceiling ${LUNA_MAX_PIPELINES})")
  if(count GREATER LUNA_MAX_PIPELINES)
    message(FATAL_ERROR "${count} pipelines exceed the ceiling of ${LUNA_MAX_PIPELINES}: make an option a "
                        "run-time value instead of a generator parameter, or raise LUNA_MAX_PIPELINES for more maps.")
  endif()
endfunction()
