# SPDX-License-Identifier: Apache-2.0
# Toolchain file: cross-build for arm64 (Graviton) against a sysroot of Debian's arm64 packages; tests/arm64 makes both.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_ASM_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_SYSROOT $ENV{PETREL_SYSROOT})
set(CMAKE_FIND_ROOT_PATH $ENV{PETREL_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,-rpath-link,$ENV{PETREL_SYSROOT}/usr/lib/aarch64-linux-gnu:$ENV{PETREL_SYSROOT}/lib/aarch64-linux-gnu")
