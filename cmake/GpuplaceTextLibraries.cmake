# ICU, PCRE2 and sentencepiece as gpuplace_icu, gpuplace_pcre2 and gpuplace_sentencepiece, or an error that says what to install.
include(GpuplaceFindTextLibraries)
gpuplace_find_text_libraries(gpuplace_problem)
if(gpuplace_problem)
  message(FATAL_ERROR "${gpuplace_problem}, or run scripts/install_dependencies")
endif()
