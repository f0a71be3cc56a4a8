# libtorch for the targets of this build, or an error that says what to do. Beside what GpuplaceFindTorch.cmake defines:
#   gpuplace_torch_rpath(TARGET)  lets a target of the build tree find libtorch and the NVIDIA libraries beside it
include_guard(GLOBAL)
include(GpuplaceFindTorch)
gpuplace_find_torch(gpuplace_problem)
if(gpuplace_problem)
  message(FATAL_ERROR "${gpuplace_problem}, or build without it: -DGPUPLACE_WITH_TORCH=OFF")
endif()
message(STATUS "libtorch: ${gpuplace_torch_dir}")

# What libtorch_cpu itself loads (cudart, cupti) lies in the NVIDIA wheels beside it; its own rpath finds them at run time.
cmake_path(GET gpuplace_torch_dir PARENT_PATH gpuplace_site_packages)
file(GLOB gpuplace_nvidia_libraries "${gpuplace_site_packages}/nvidia/*/lib")
set_property(GLOBAL PROPERTY GPUPLACE_TORCH_LIBRARY_PATH "${gpuplace_torch_dir}/lib" ${gpuplace_nvidia_libraries})

function(gpuplace_torch_rpath target)
  get_property(folders GLOBAL PROPERTY GPUPLACE_TORCH_LIBRARY_PATH)
  set_property(TARGET ${target} APPEND PROPERTY BUILD_RPATH "${folders}")
endfunction()
