# luna_cuda_kernel(TARGET NAME SOURCE [-D...] [TUNE PARAM=VALUE[,VALUE ...] ...]): a kernel in CUDA C++, compiled by nvcc
# to PTX for capability 8.0 and embedded in TARGET as `extern const char luna_ptx_NAME[]`; the path of the PTX goes to the
# global property LUNA_TENSOR_PTX. Without nvcc none is built, and Halide's pipelines and the host do all the work.
# TUNE: as of luna_pipeline(), the schedule of pipeline NAME_cuda; the source has PARAM as LUNA_PARAM, and its launcher is
# `extern "C" int NAME_launch(void** arguments, const char* module)`, for whatever the parameters are.
# luna_tensor_kernel(TARGET NAME SOURCE STORAGE SIZE ...): one on tensor cores, for one type of x and v and one head size.
find_program(LUNA_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
set(LUNA_NVCC_FLAGS -ptx -arch=compute_80 -std=c++17 -O3 --expt-relaxed-constexpr)
set(LUNA_EMBED_PTX "${CMAKE_CURRENT_LIST_DIR}/embed_ptx.cmake")
set_property(GLOBAL PROPERTY LUNA_TENSOR_PTX "")
set_property(GLOBAL PROPERTY LUNA_KERNEL_VARIANTS "")
if(LUNA_NVCC)
  message(STATUS "Kernels in CUDA C++: ${LUNA_NVCC}")
else()
  message(STATUS "Kernels in CUDA C++: left out, no nvcc on PATH, in $CUDA_HOME/bin or in /usr/local/cuda/bin")
endif()

function(luna_cuda_kernel target name source)
  cmake_parse_arguments(PARSE_ARGV 3 arg "" "" "TUNE")
  list(TRANSFORM arg_TUNE REPLACE ",.*" "" OUTPUT_VARIABLE defaults)
  set(source "${CMAKE_CURRENT_SOURCE_DIR}/${source}")
  set(defines -DLUNA_KERNEL=${name} ${arg_UNPARSED_ARGUMENTS})
  _luna_embed_kernel(${target} ${name} "${source}" "" ${defines} ${defaults})
  if(arg_TUNE)
    luna_add_tunable(${name}_cuda "${source}" cuda "${defines}" "${arg_TUNE}")
  endif()
endfunction()

function(luna_tensor_kernel target name source storage size)
  luna_cuda_kernel(${target} ${name} ${source} -DLUNA_STORAGE=${storage} -DLUNA_SIZE=${size} ${ARGN})
endfunction()

# A variant of a pipeline for a device: its schedule's PARAM=VALUE behind the -D... that it has in any case.
function(_luna_compile_kernel variant source)
  string(REGEX REPLACE ".*-DLUNA_KERNEL=([^;]+).*" "\\1" name "${ARGN}")
  _luna_embed_kernel(luna_tensor_kernels ${variant} "${source}" "-DLAUNCH=${name}_launch" ${ARGN})
  set_property(GLOBAL APPEND PROPERTY LUNA_KERNEL_VARIANTS ${variant})
endfunction()

function(_luna_embed_kernel target name source launch)
  set(ptx "${CMAKE_CURRENT_BINARY_DIR}/${name}.ptx")
  set(embedded "${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp")
  get_filename_component(folder "${source}" DIRECTORY)
  file(GLOB headers CONFIGURE_DEPENDS "${folder}/*.cuh" "${folder}/*.h")
  set(defines "")
  foreach(define ${ARGN})
    if(NOT define MATCHES "^-D")
      string(REGEX MATCH "^(.*)=(.*)$" matched "${define}")
      string(TOUPPER "${CMAKE_MATCH_1}" parameter)
      set(define "-DLUNA_${parameter}=${CMAKE_MATCH_2}")
    endif()
    list(APPEND defines ${define})
  endforeach()
  add_custom_command(
    OUTPUT "${ptx}" "${embedded}"
    COMMAND "${LUNA_NVCC}" ${LUNA_NVCC_FLAGS} "-I${CMAKE_SOURCE_DIR}" ${defines} "${source}" -o "${ptx}"
    COMMAND "${CMAKE_COMMAND}" "-DPTX=${ptx}" "-DEMBEDDED=${embedded}" -DNAME=${name} ${launch} -P "${LUNA_EMBED_PTX}"
    DEPENDS "${source}" "${LUNA_EMBED_PTX}" ${headers}
    COMMENT "Compiling ${name} to PTX" VERBATIM)
  target_sources(${target} PRIVATE "${embedded}")
  set_property(GLOBAL APPEND PROPERTY LUNA_TENSOR_PTX "${ptx}")
endfunction()
