# cmake --install: libluna.so, the one public header and LunaConfig.cmake.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(LUNA_CONFIG_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/Luna")
configure_package_config_file("${CMAKE_SOURCE_DIR}/cmake/LunaConfig.cmake.in"
                              "${CMAKE_BINARY_DIR}/LunaConfig.cmake"
                              INSTALL_DESTINATION "${LUNA_CONFIG_DIR}")
write_basic_package_version_file("${CMAKE_BINARY_DIR}/LunaConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)

set_target_properties(luna PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
install(TARGETS luna LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT luna)
install(FILES "${CMAKE_SOURCE_DIR}/runtime/luna.h" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        COMPONENT luna)
install(FILES "${CMAKE_BINARY_DIR}/LunaConfig.cmake" "${CMAKE_BINARY_DIR}/LunaConfigVersion.cmake"
              "${CMAKE_SOURCE_DIR}/cmake/LunaTorch.cmake"
        DESTINATION "${LUNA_CONFIG_DIR}" COMPONENT luna)
