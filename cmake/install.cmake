# `cmake --install` puts the public headers, the shared library, the command and a package file for find_package(impasto).
include(CMakePackageConfigHelpers)

install(TARGETS impasto EXPORT impasto-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY include/impasto DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(EXISTS ${PROJECT_SOURCE_DIR}/models/sketchbook/model_index.json) # the built-in model, where the command looks for it
  install(DIRECTORY models/sketchbook DESTINATION ${CMAKE_INSTALL_DATADIR}/impasto/models PATTERN "*.py" EXCLUDE PATTERN "__pycache__" EXCLUDE)
endif()
install(EXPORT impasto-targets NAMESPACE impasto:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/impasto)

# The shared library carries its own dependencies, so a user's project needs none of them: the package file only loads the targets.
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/impasto-config.cmake "include(\"\${CMAKE_CURRENT_LIST_DIR}/impasto-targets.cmake\")\n")
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/impasto-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/impasto-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/impasto-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/impasto)
