# cmake --install: the program, libluna.so, the one public header and LunaConfig.cmake; and Google Benchmark, the one
# library of which Debian has no archive. They find each other wherever the folder is carried to, torch's beside it.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(LUNA_CONFIG_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/Luna")
configure_package_config_file("${CMAKE_SOURCE_DIR}/cmake/LunaConfig.cmake.in"
                              "${CMAKE_BINARY_DIR}/LunaConfig.cmake"
                              INSTALL_DESTINATION "${LUNA_CONFIG_DIR}")
write_basic_package_version_file("${CMAKE_BINARY_DIR}/LunaConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)

file(RELATIVE_PATH libraries "${CMAKE_INSTALL_FULL_BINDIR}" "${CMAKE_INSTALL_FULL_LIBDIR}")
set_target_properties(luna PROPERTIES BUILD_RPATH "\$ORIGIN" INSTALL_RPATH "\$ORIGIN")
set_target_properties(luna_executable PROPERTIES INSTALL_RPATH "\$ORIGIN/${libraries}")
install(TARGETS luna luna_executable
        RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT luna
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT luna)
install(IMPORTED_RUNTIME_ARTIFACTS benchmark::benchmark
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT luna)
install(FILES "${CMAKE_SOURCE_DIR}/runtime/luna.h" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        COMPONENT luna)
install(FILES "${CMAKE_BINARY_DIR}/LunaConfig.cmake" "${CMAKE_BINARY_DIR}/LunaConfigVersion.cmake"
              "${CMAKE_SOURCE_DIR}/cmake/LunaTorch.cmake"
        DESTINATION "${LUNA_CONFIG_DIR}" COMPONENT luna)
