# Passes if the check of include arrows refuses a tree of headers with the text of the tree's file `expected`.
#   cmake -D CHECK=<script> -D TREE=<folder> -P must_refuse.cmake
cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/../compile_fail/expected_error.cmake")

expected_error("${TREE}/expected" expected)
execute_process(COMMAND "${CMAKE_COMMAND}" -D "ROOT=${TREE}" -P "${CHECK}" RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
string(FIND "${said}" "${expected}" at)
if(status EQUAL 0 OR at EQUAL -1)
  message(FATAL_ERROR "${TREE} should be refused with\n  ${expected}\nbut the check gave ${status} and said\n${said}")
endif()
