# Configures the folder rules/, which asks find_package for what it should and should not find.
#   cmake -D WORK=… -D GENERATOR=… -D SOURCE=… -D VERSION=<of gpuplace> -P rules.cmake
cmake_minimum_required(VERSION 3.25)
file(READ "${WORK}/components.txt" components)
file(REMOVE_RECURSE "${WORK}/rules")
execute_process(COMMAND "${CMAKE_COMMAND}" -G "${GENERATOR}" -C "${WORK}/user.cmake" -S "${SOURCE}" -B "${WORK}/rules"
  -D "PREFIX=${WORK}/prefix" -D "CORE_ONLY=${WORK}/core_only" -D "INSTALLED=${components}" -D "VERSION=${VERSION}"
  RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "find_package does not do what docs/install.md says")
endif()
