# Imports LibTorch's CPU half as luna::torch (libtorch_cpu, libc10), without find_package(Torch): that one
# demands nvcc. Root of LibTorch: Torch_DIR (a user's own: <root>/share/cmake/Torch), else the project's .venv.
if(NOT Torch_DIR)
  file(GLOB LUNA_TORCH_CANDIDATES
       "${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch/share/cmake/Torch")
  list(GET LUNA_TORCH_CANDIDATES 0 Torch_DIR)
endif()
get_filename_component(LUNA_TORCH_ROOT "${Torch_DIR}/../../.." ABSOLUTE)

foreach(library torch_cpu c10)
  set(path "${LUNA_TORCH_ROOT}/lib/lib${library}.so")
  if(NOT EXISTS "${path}")
    message(FATAL_ERROR "LibTorch not found: ${path} is missing. Run `make setup`, or pass "
                        "-DTorch_DIR=<libtorch>/share/cmake/Torch.")
  endif()
  add_library(luna::${library} SHARED IMPORTED)
  set_target_properties(luna::${library} PROPERTIES IMPORTED_LOCATION "${path}")
endforeach()

add_library(luna_torch INTERFACE)
add_library(luna::torch ALIAS luna_torch)
target_include_directories(luna_torch SYSTEM INTERFACE
  "${LUNA_TORCH_ROOT}/include" "${LUNA_TORCH_ROOT}/include/torch/csrc/api/include")
target_link_libraries(luna_torch INTERFACE luna::torch_cpu luna::c10)
# libtorch_cpu finds libcudart and libcupti by its own RPATH; the linker of an executable need not.
target_link_options(luna_torch INTERFACE -Wl,--allow-shlib-undefined)
