# libtorch as imported targets laid directly on its libraries, because the wheel's own package file insists on a CUDA
# toolkit. Used by the build and, installed, by gpuplace's package file.
#   gpuplace_find_torch(PROBLEM [VERSION])
# looks in GPUPLACE_TORCH_DIR (the folder torch/ of an installed wheel, or an unpacked libtorch), else in the one that
# Torch_DIR belongs to, else where scripts/install_torch puts the pinned wheel. PROBLEM says what is wrong, or is empty; with
# VERSION (major.minor), a libtorch of another one is refused: its C++ classes differ. Defines
#   torch::c10, torch::cpu   headers (as system headers) and libraries
#   torch::openmp            the OpenMP runtime that libtorch loads; a process must have only one
#   gpuplace_torch_dir       the folder torch/
include_guard(GLOBAL)
set_property(GLOBAL PROPERTY GPUPLACE_PINNED_TORCH 2.11.0) # as in scripts/common.sh

function(gpuplace_torch_folder out remedy)
  if(GPUPLACE_TORCH_DIR)
    set(candidates "${GPUPLACE_TORCH_DIR}" "${GPUPLACE_TORCH_DIR}/torch" "${GPUPLACE_TORCH_DIR}/libtorch")
    set(${remedy} "GPUPLACE_TORCH_DIR is ${GPUPLACE_TORCH_DIR}: name the folder that has lib/libtorch_cpu.so and include/ATen" PARENT_SCOPE)
  elseif(Torch_DIR)
    set(candidates "${Torch_DIR}/../../..") # torch/share/cmake/Torch
    set(${remedy} "Torch_DIR is ${Torch_DIR}, which lies in no libtorch" PARENT_SCOPE)
  else()
    if(NOT "$ENV{GPUPLACE_CACHE}" STREQUAL "")
      set(cache "$ENV{GPUPLACE_CACHE}")
    elseif(NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
      set(cache "$ENV{XDG_CACHE_HOME}/gpuplace")
    else()
      set(cache "$ENV{HOME}/.cache/gpuplace")
    endif()
    get_property(pinned GLOBAL PROPERTY GPUPLACE_PINNED_TORCH)
    set(venv "${cache}/torch-${pinned}")
    if(EXISTS "${venv}/.gpuplace-complete")
      file(GLOB candidates "${venv}/lib/python3*/site-packages/torch")
    endif()
    set(${remedy} "it is not in ${venv}: run scripts/install_torch" PARENT_SCOPE)
  endif()
  foreach(folder IN LISTS candidates)
    if(EXISTS "${folder}/lib/libtorch_cpu.so" AND EXISTS "${folder}/include/ATen/ATen.h")
      cmake_path(ABSOLUTE_PATH folder NORMALIZE)
      set(${out} "${folder}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  set(${out} "" PARENT_SCOPE)
endfunction()

# major.minor of the libtorch in a folder, or nothing where it does not say.
function(gpuplace_torch_version folder out)
  set(${out} "" PARENT_SCOPE)
  set(file "${folder}/share/cmake/Torch/TorchConfigVersion.cmake")
  if(EXISTS "${file}")
    file(STRINGS "${file}" line REGEX "PACKAGE_VERSION \"[0-9]" LIMIT_COUNT 1)
    if(line MATCHES "\"([0-9]+\\.[0-9]+)")
      set(${out} "${CMAKE_MATCH_1}" PARENT_SCOPE)
    endif()
  endif()
endfunction()

# The wheel and today's libtorch archives have std::string of the C++11 ABI; older archives came in a flavour without.
function(gpuplace_torch_has_old_abi folder out)
  set(${out} OFF PARENT_SCOPE)
  set(config "${folder}/share/cmake/Torch/TorchConfig.cmake")
  if(EXISTS "${config}")
    file(STRINGS "${config}" old_abi REGEX "_GLIBCXX_USE_CXX11_ABI=0")
    if(old_abi)
      set(${out} ON PARENT_SCOPE)
    endif()
  endif()
endfunction()

function(gpuplace_torch_target folder name library)
  add_library(torch::${name} SHARED IMPORTED GLOBAL)
  set_target_properties(torch::${name} PROPERTIES
    IMPORTED_LOCATION "${folder}/lib/lib${library}.so"
    IMPORTED_SONAME "lib${library}.so"
    SYSTEM ON
    INTERFACE_INCLUDE_DIRECTORIES "${folder}/include;${folder}/include/torch/csrc/api/include"
    INTERFACE_LINK_LIBRARIES "${ARGN}")
endfunction()

function(gpuplace_torch_openmp folder)
  file(GLOB runtime "${folder}/lib/libgomp*.so*")
  if(NOT runtime)
    find_package(OpenMP QUIET COMPONENTS CXX)
    set(runtime "${OpenMP_CXX_LIBRARIES}")
  endif()
  add_library(torch::openmp INTERFACE IMPORTED GLOBAL)
  set_target_properties(torch::openmp PROPERTIES INTERFACE_LINK_LIBRARIES "${runtime}")
endfunction()

function(gpuplace_find_torch problem)
  set(${problem} "" PARENT_SCOPE)
  gpuplace_torch_folder(folder remedy)
  if(NOT folder)
    set(${problem} "libtorch was not found; ${remedy}, or set GPUPLACE_TORCH_DIR to the folder torch/ of an installed wheel" PARENT_SCOPE)
    return()
  endif()
  set(gpuplace_torch_dir "${folder}" PARENT_SCOPE)
  if(TARGET torch::cpu)
    return()
  endif()
  gpuplace_torch_has_old_abi("${folder}" old_abi)
  if(old_abi)
    set(${problem} "${folder} is built with the old C++ ABI; take libtorch's cxx11-abi archive" PARENT_SCOPE)
    return()
  endif()
  gpuplace_torch_version("${folder}" version)
  if(ARGC GREATER 1 AND version AND NOT ARGV1 STREQUAL version)
    set(${problem} "gpuplace::torch was built with libtorch ${ARGV1}, but ${folder} is ${version}: name another by GPUPLACE_TORCH_DIR" PARENT_SCOPE)
    return()
  endif()
  gpuplace_torch_target("${folder}" c10 c10)
  gpuplace_torch_target("${folder}" cpu torch_cpu torch::c10)
  gpuplace_torch_openmp("${folder}")
endfunction()
