# The target api_docs: API pages by Doxygen in docs/api/ of the build folder, with include graphs where Graphviz is installed.
find_package(Doxygen 1.9 QUIET OPTIONAL_COMPONENTS dot)
if(NOT DOXYGEN_FOUND)
  return()
endif()
set(GPUPLACE_DOXYGEN_DOT NO)
if(TARGET Doxygen::dot)
  set(GPUPLACE_DOXYGEN_DOT YES)
endif()
configure_file("${PROJECT_SOURCE_DIR}/docs/Doxyfile.in" "${PROJECT_BINARY_DIR}/docs/Doxyfile" @ONLY)
add_custom_target(api_docs COMMAND Doxygen::doxygen "${PROJECT_BINARY_DIR}/docs/Doxyfile"
  COMMENT "API pages: ${PROJECT_BINARY_DIR}/docs/api/index.html" VERBATIM)
