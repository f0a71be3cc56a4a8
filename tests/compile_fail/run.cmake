# Passes if compiling a file fails, and its first failed static_assert has the text that the file's first line expects.
#   cmake -D COMPILER=<c++> -D FLAGS=<response file> -D FILE=<file.cpp> -P run.cmake
cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/expected_error.cmake")

expected_error("${FILE}" expected)
execute_process(COMMAND "${COMPILER}" "@${FLAGS}" -fsyntax-only "${FILE}"
  RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(status EQUAL 0)
  message(FATAL_ERROR "${FILE} compiles, but should stop with: ${expected}")
endif()
# GCC and Clang both write the message on the line of the error.
set(first_error "")
if(said MATCHES "error: static assertion failed[^\n]*")
  set(first_error "${CMAKE_MATCH_0}")
endif()
string(FIND "${first_error}" "${expected}" at)
if(at EQUAL -1)
  message(FATAL_ERROR "the first static_assert that fails should say\n  ${expected}\nbut the compiler said\n${said}")
endif()
