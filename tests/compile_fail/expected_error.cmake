# Reads the text between {{" and "}} in a file's first line, `// expected-error {{"text"}}`.
function(expected_error file out)
  file(STRINGS "${file}" first LIMIT_COUNT 1)
  if(NOT first MATCHES "^// expected-error {{\"(.+)\"}}$")
    message(FATAL_ERROR "${file}: the first line should be  // expected-error {{\"text\"}}")
  endif()
  string(REPLACE "\\;" ";" text "${CMAKE_MATCH_1}") # file(STRINGS) makes a list
  set(${out} "${text}" PARENT_SCOPE)
endfunction()
