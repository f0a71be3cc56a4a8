# Passes if a file that includes one header compiles within a limit of the compiler's own processor time. Takes the best of
# three, since other work on the machine only ever adds to it.
#   cmake -D COMPILER=<c++> -D FLAGS=<response file> -D HEADER=<gpuplace/…> -D LIMIT=<seconds> -D WORK=<folder> -P compile_time.cmake
cmake_minimum_required(VERSION 3.25)

string(MAKE_C_IDENTIFIER "${HEADER}" name)
set(file "${WORK}/compile_time_${name}.cpp")
file(WRITE "${file}" "#include <${HEADER}>\n")
math(EXPR limit "${LIMIT} * 1000")
set(best 1000000)
foreach(attempt RANGE 1 3)
  # POSIX `times`: the second line is the user and system time of the shell's children, as 0m1.234s
  execute_process(COMMAND sh -c "\"$@\" >&2; status=$?; times; exit $status" sh "${COMPILER}" "@${FLAGS}" -fsyntax-only "${file}"
    RESULT_VARIABLE status OUTPUT_VARIABLE times ERROR_VARIABLE said)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${HEADER} does not compile:\n${said}")
  endif()
  if(NOT times MATCHES "\n([0-9]+)m([0-9]+)[.]([0-9]+)s")
    message(FATAL_ERROR "cannot read the output of times: ${times}")
  endif()
  string(SUBSTRING "${CMAKE_MATCH_3}000" 0 3 fraction)
  math(EXPR took "(${CMAKE_MATCH_1} * 60 + ${CMAKE_MATCH_2}) * 1000 + 1${fraction} - 1000")
  if(took LESS best)
    set(best ${took})
  endif()
  if(best LESS_EQUAL limit)
    break()
  endif()
endforeach()
message(STATUS "${HEADER}: ${best} ms of at most ${limit} ms")
if(best GREATER limit)
  message(FATAL_ERROR "${HEADER} takes ${best} ms to compile, the limit is ${limit} ms")
endif()
