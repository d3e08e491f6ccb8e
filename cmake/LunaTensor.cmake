# luna_cuda_kernel(TARGET NAME SOURCE [-D...]): a kernel in CUDA C++, compiled by nvcc to PTX for capability 8.0 and
# embedded in TARGET as `extern const char luna_ptx_NAME[]`; the path of the PTX goes to the global property
# LUNA_TENSOR_PTX. Without nvcc none is built, and Halide's pipelines and the host do all the work.
# luna_tensor_kernel(TARGET NAME SOURCE STORAGE SIZE [-D...]): one on tensor cores, for one type of x and v and one head
# size.
find_program(LUNA_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
set(LUNA_NVCC_FLAGS -ptx -arch=compute_80 -std=c++17 -O3 --expt-relaxed-constexpr)
set_property(GLOBAL PROPERTY LUNA_TENSOR_PTX "")
if(LUNA_NVCC)
  message(STATUS "Kernels in CUDA C++: ${LUNA_NVCC}")
else()
  message(STATUS "Kernels in CUDA C++: left out, no nvcc on PATH, in $CUDA_HOME/bin or in /usr/local/cuda/bin")
endif()

function(luna_cuda_kernel target name source)
  set(ptx "${CMAKE_CURRENT_BINARY_DIR}/${name}.ptx")
  set(embedded "${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp")
  get_filename_component(folder "${source}" DIRECTORY)
  file(GLOB headers CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cuh"
                                      "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.h")
  add_custom_command(
    OUTPUT "${ptx}" "${embedded}"
    COMMAND "${LUNA_NVCC}" ${LUNA_NVCC_FLAGS} "-I${CMAKE_SOURCE_DIR}"
            -DLUNA_KERNEL=${name} ${ARGN}
            "${CMAKE_CURRENT_SOURCE_DIR}/${source}" -o "${ptx}"
    COMMAND "${CMAKE_COMMAND}" "-DPTX=${ptx}" "-DEMBEDDED=${embedded}" -DNAME=luna_ptx_${name}
            -P "${CMAKE_SOURCE_DIR}/cmake/embed_ptx.cmake"
    DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${source}" "${CMAKE_SOURCE_DIR}/cmake/embed_ptx.cmake" ${headers}
    COMMENT "Compiling ${name} to PTX" VERBATIM)
  target_sources(${target} PRIVATE "${embedded}")
  set_property(GLOBAL APPEND PROPERTY LUNA_TENSOR_PTX "${ptx}")
endfunction()

function(luna_tensor_kernel target name source storage size)
  luna_cuda_kernel(${target} ${name} ${source} -DLUNA_STORAGE=${storage} -DLUNA_SIZE=${size} ${ARGN})
endfunction()
