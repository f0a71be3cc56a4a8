# What `cmake --install` places, in components that can be installed alone:
#   core     every header and the package files; needs no compiled library
#   text, torch …  one compiled room each, where this build has it
#   command  the gpuplace command and what it loads, and whatever a room installs by itself
# find_package(gpuplace COMPONENTS …) has the same names; see docs/install.md.
include(CMakePackageConfigHelpers)
set(gpuplace_package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/gpuplace")

function(gpuplace_install_targets_file component)
  install(EXPORT gpuplace-${component} FILE gpuplace-${component}-targets.cmake NAMESPACE gpuplace::
    DESTINATION "${gpuplace_package_folder}" COMPONENT ${component})
endfunction()

# A compiled room: its archive, and its targets file. Warnings are ours, so that a private link to them is left out.
function(gpuplace_install_room room)
  set(target gpuplace_${room})
  get_target_property(links ${target} INTERFACE_LINK_LIBRARIES)
  list(FILTER links EXCLUDE REGEX "gpuplace_warnings")
  set_target_properties(${target} PROPERTIES INTERFACE_LINK_LIBRARIES "${links}")
  install(TARGETS ${target} EXPORT gpuplace-${room}
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT ${room}
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT ${room})
  gpuplace_install_targets_file(${room})
endfunction()

install(TARGETS gpuplace_core EXPORT gpuplace-core FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT core)
gpuplace_install_targets_file(core)
foreach(room text torch)
  if(TARGET gpuplace_${room})
    gpuplace_install_room(${room})
  endif()
endforeach()

# The libraries a compiled room was built with, which its user must have alike.
set(gpuplace_built_icu "")
if(TARGET gpuplace_text)
  get_target_property(gpuplace_built_icu gpuplace_icu GPUPLACE_MAJOR_VERSION)
endif()
if(TARGET gpuplace_cuda)
  install(TARGETS gpuplace_cuda gpuplace_transports EXPORT gpuplace-torch ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT torch)
endif()

set(gpuplace_built_torch "")
if(TARGET gpuplace_torch)
  gpuplace_find_torch(gpuplace_problem)
  gpuplace_torch_version("${gpuplace_torch_dir}" gpuplace_built_torch)
endif()
configure_file("${CMAKE_CURRENT_LIST_DIR}/gpuplaceConfig.cmake.in" "${PROJECT_BINARY_DIR}/package/gpuplaceConfig.cmake" @ONLY)

# docs/versions.md: before 1.0 a minor version may break its users.
set(gpuplace_compatibility SameMajorVersion)
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(gpuplace_compatibility SameMinorVersion)
endif()
write_basic_package_version_file("${PROJECT_BINARY_DIR}/package/gpuplaceConfigVersion.cmake" COMPATIBILITY ${gpuplace_compatibility})

install(FILES "${PROJECT_BINARY_DIR}/package/gpuplaceConfig.cmake" "${PROJECT_BINARY_DIR}/package/gpuplaceConfigVersion.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/GpuplaceFindTextLibraries.cmake" "${CMAKE_CURRENT_LIST_DIR}/GpuplaceFindTorch.cmake"
  DESTINATION "${gpuplace_package_folder}" COMPONENT core)
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT core)
