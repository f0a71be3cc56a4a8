# ICU and PCRE2 as gpuplace_icu and gpuplace_pcre2, or an error that says what to install.
include(GpuplaceFindTextLibraries)
gpuplace_find_text_libraries(gpuplace_problem)
if(gpuplace_problem)
  message(FATAL_ERROR "${gpuplace_problem}, or run scripts/install_dependencies")
endif()
