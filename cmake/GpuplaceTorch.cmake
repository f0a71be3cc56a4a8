# libtorch as imported targets laid directly on its libraries, because the wheel's own package file insists on a CUDA
# toolkit. Looks in GPUPLACE_TORCH_DIR (the folder torch/ of an installed wheel, or an unpacked libtorch), else where
# scripts/install_torch puts the pinned wheel. Defines
#   torch::c10, torch::cpu       headers (as system headers) and libraries
#   gpuplace_torch_rpath(TARGET)  lets a target of the build tree find libtorch and the NVIDIA libraries beside it
include_guard(GLOBAL)
set(gpuplace_torch_version 2.11.0) # as in scripts/common.sh

function(gpuplace_find_torch out)
  if(GPUPLACE_TORCH_DIR)
    set(candidates "${GPUPLACE_TORCH_DIR}" "${GPUPLACE_TORCH_DIR}/torch" "${GPUPLACE_TORCH_DIR}/libtorch")
    set(remedy "GPUPLACE_TORCH_DIR is ${GPUPLACE_TORCH_DIR}: name the folder that has lib/libtorch_cpu.so and include/ATen")
  else()
    if(NOT "$ENV{GPUPLACE_CACHE}" STREQUAL "")
      set(cache "$ENV{GPUPLACE_CACHE}")
    elseif(NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
      set(cache "$ENV{XDG_CACHE_HOME}/gpuplace")
    else()
      set(cache "$ENV{HOME}/.cache/gpuplace")
    endif()
    set(venv "${cache}/torch-${gpuplace_torch_version}")
    if(EXISTS "${venv}/.gpuplace-complete")
      file(GLOB candidates "${venv}/lib/python3*/site-packages/torch")
    endif()
    set(remedy "it is not in ${venv}: run scripts/install_torch")
  endif()
  foreach(folder IN LISTS candidates)
    if(EXISTS "${folder}/lib/libtorch_cpu.so" AND EXISTS "${folder}/include/ATen/ATen.h")
      cmake_path(ABSOLUTE_PATH folder NORMALIZE)
      set(${out} "${folder}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  message(FATAL_ERROR "libtorch was not found; ${remedy}, set -DGPUPLACE_TORCH_DIR=<folder>,"
    " or build without it: -DGPUPLACE_WITH_TORCH=OFF")
endfunction()

# The wheel and today's libtorch archives have std::string of the C++11 ABI; older archives came in a flavour without.
function(gpuplace_check_torch_abi folder)
  set(config "${folder}/share/cmake/Torch/TorchConfig.cmake")
  if(EXISTS "${config}")
    file(STRINGS "${config}" old_abi REGEX "_GLIBCXX_USE_CXX11_ABI=0")
    if(old_abi)
      message(FATAL_ERROR "${folder} is built with the old C++ ABI; take libtorch's cxx11-abi archive")
    endif()
  endif()
endfunction()

function(gpuplace_torch_target name library)
  add_library(torch::${name} SHARED IMPORTED GLOBAL)
  set_target_properties(torch::${name} PROPERTIES
    IMPORTED_LOCATION "${gpuplace_torch_dir}/lib/lib${library}.so"
    IMPORTED_SONAME "lib${library}.so"
    SYSTEM ON
    INTERFACE_INCLUDE_DIRECTORIES "${gpuplace_torch_dir}/include;${gpuplace_torch_dir}/include/torch/csrc/api/include"
    INTERFACE_LINK_LIBRARIES "${ARGN}")
endfunction()

gpuplace_find_torch(gpuplace_torch_dir)
gpuplace_check_torch_abi("${gpuplace_torch_dir}")
message(STATUS "libtorch: ${gpuplace_torch_dir}")
gpuplace_torch_target(c10 c10)
gpuplace_torch_target(cpu torch_cpu torch::c10)
# What libtorch_cpu itself loads (cudart, cupti) lies in the NVIDIA wheels beside it; its own rpath finds them at run time.
cmake_path(GET gpuplace_torch_dir PARENT_PATH gpuplace_site_packages)
file(GLOB gpuplace_nvidia_libraries "${gpuplace_site_packages}/nvidia/*/lib")
set_property(GLOBAL PROPERTY GPUPLACE_TORCH_LIBRARY_PATH "${gpuplace_torch_dir}/lib" ${gpuplace_nvidia_libraries})

function(gpuplace_torch_rpath target)
  get_property(folders GLOBAL PROPERTY GPUPLACE_TORCH_LIBRARY_PATH)
  set_property(TARGET ${target} APPEND PROPERTY BUILD_RPATH "${folders}")
endfunction()
