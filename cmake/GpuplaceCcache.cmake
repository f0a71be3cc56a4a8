# Uses ccache where it is installed, unless the user chose a launcher. A precompiled header is cached only with GCC's
# -fpch-preprocess and these two kinds of laxness, which ccache's manual asks for. Paths below the source folder count as
# relative, so that a second clone finds what the first one compiled.
find_program(GPUPLACE_CCACHE ccache)
mark_as_advanced(GPUPLACE_CCACHE)
if(GPUPLACE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER
    "${CMAKE_COMMAND}" -E env "CCACHE_SLOPPINESS=pch_defines,time_macros" "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" "CCACHE_NOHASHDIR=1"
    "${GPUPLACE_CCACHE}")
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-fpch-preprocess)
endif()
