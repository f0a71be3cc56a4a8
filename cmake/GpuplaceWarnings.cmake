# Warnings of our own targets; they are errors in the presets, never for a user who adds gpuplace to a build.
option(GPUPLACE_WARNINGS_AS_ERRORS "Treat warnings as errors" OFF)
add_library(gpuplace_warnings INTERFACE)
target_compile_options(gpuplace_warnings INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wno-missing-field-initializers
  $<$<BOOL:${GPUPLACE_WARNINGS_AS_ERRORS}>:-Werror>)
# GCC 12 sees impossible sizes in std::string's own "text" + string, and uninitialised members in moved variants,
# when it optimises (fixed in GCC 13).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(gpuplace_warnings INTERFACE -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds -Wno-maybe-uninitialized)
endif()
