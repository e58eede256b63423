# SPDX-License-Identifier: Apache-2.0
# The vocabulary of CMakeLists.txt.
#
#   petrel_module(PATH [USES PATH…] [LINKS TARGET-OR-LIBRARY…] [INCLUDES DIR…])
#       library of PATH/*.c (PATH/*.proto is compiled too); tests/unit/PATH/test_*.c become ctest cases
#   petrel_bpf(NAME…)            bpf/NAME.bpf.c -> skeleton header "NAME.skel.h", in target petrel_bpf
#   petrel_bpf_tests()           tests/bpf and tests/bench/bpf: what needs a kernel and root
#   petrel_program(NAME PATH USES PATH… [LINKS …])
#       PATH is the main file, or a folder: all its *.c then belong to the program
#   petrel_static(NAME LIBRARY…)  links the program NAME with the archives of those libraries, where there are archives
#   petrel_fuzz(NAME USES PATH…) tests/fuzz/fuzz_NAME.c, built by the fuzz preset only
#
# A module called agent/probe is the target agent_probe.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
	set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()
option(PETREL_WERROR "warnings are errors" OFF)
option(PETREL_TESTS "build the unit tests" ON)
option(PETREL_FUZZ "build the fuzz targets (clang)" OFF)
option(PETREL_HARDEN "release hardening" OFF)
set(PETREL_SANITIZE "" CACHE STRING "e.g. address,undefined or thread")

include(GNUInstallDirs)
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
enable_testing()

# nng 1.5.2 is linked statically so that the linker can put our counter-measures (proto/loop/nng_fix.c) in its way.
set(PETREL_NNG -Wl,--wrap=nni_plat_errno,--wrap=nni_random,--wrap=sysconf,--wrap=listen
	-Wl,--wrap=nni_aio_finish_error,--wrap=nni_aio_begin,--wrap=nng_stream_recv,--wrap=nng_stream_send
	-Wl,-Bstatic nng -Wl,-Bdynamic mbedtls mbedx509 mbedcrypto Threads::Threads)

add_compile_options(-Wall -Wextra -Wformat=2 -Wshadow -Wstrict-prototypes -Wmissing-prototypes
	-Wpointer-arith -Wvla -Wno-unused-parameter -fno-strict-overflow -fno-common
	"-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=")
add_compile_definitions(_GNU_SOURCE PETREL_VERSION="${PROJECT_VERSION}")
# assert() guards against programming errors in every build, so NDEBUG is never defined.
foreach(config RELEASE RELWITHDEBINFO MINSIZEREL)
	string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_${config} "${CMAKE_C_FLAGS_${config}}")
endforeach()
add_compile_options(-ffunction-sections -fdata-sections) # for --gc-sections
add_link_options(-Wl,--as-needed) # the agent must not load what only the aggregator uses
if(PETREL_WERROR)
	add_compile_options(-Werror)
endif()
if(PETREL_SANITIZE)
	add_compile_options(-fsanitize=${PETREL_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
	add_link_options(-fsanitize=${PETREL_SANITIZE})
endif()
if(PETREL_HARDEN)
	add_compile_options(-D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection)
	add_link_options(-pie -Wl,-z,relro,-z,now,-z,noexecstack)
	set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
endif()
find_program(CCACHE ccache)
if(CCACHE)
	set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()
include_directories(${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})

function(petrel_target_name path ret)
	string(REPLACE "/" "_" name ${path})
	set(${ret} ${name} PARENT_SCOPE)
endfunction()

# Adds the generated protobuf-c sources of PATH to the target; they are not ours, so they are not warned about.
function(petrel_protobuf target path)
	file(GLOB protos CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${path}/*.proto)
	foreach(proto ${protos})
		get_filename_component(stem ${proto} NAME_WE)
		set(out ${CMAKE_BINARY_DIR}/${path}/${stem}.pb-c)
		add_custom_command(OUTPUT ${out}.c ${out}.h
			COMMAND protoc-c --proto_path=${CMAKE_SOURCE_DIR} --c_out=${CMAKE_BINARY_DIR} ${path}/${stem}.proto
			DEPENDS ${proto} VERBATIM)
		set_source_files_properties(${out}.c PROPERTIES COMPILE_OPTIONS "-w")
		target_sources(${target} PRIVATE ${out}.c ${out}.h)
	endforeach()
endfunction()

function(petrel_unit_tests path target)
	file(GLOB tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/unit/${path}/test_*.c)
	foreach(test ${tests})
		get_filename_component(stem ${test} NAME_WE)
		petrel_target_name(${path}/${stem} name)
		add_executable(${name} ${test})
		target_link_libraries(${name} PRIVATE ${target} cmocka ${ARGN})
		target_compile_definitions(${name} PRIVATE TEST_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
		add_test(NAME unit/${path}/${stem} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_BINARY_DIR})
		set_tests_properties(unit/${path}/${stem} PROPERTIES LABELS unit TIMEOUT 300
			ENVIRONMENT "LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/lsan.supp:print_suppressions=0")
	endforeach()
endfunction()

function(petrel_module path)
	cmake_parse_arguments(arg "" "" "USES;LINKS;INCLUDES" ${ARGN})
	petrel_target_name(${path} target)
	file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${path}/*.c ${CMAKE_SOURCE_DIR}/${path}/*.S)
	list(FILTER sources EXCLUDE REGEX "/main\\.c$")
	if(NOT sources)
		return()
	endif()
	add_library(${target} STATIC ${sources})
	petrel_protobuf(${target} ${path})
	foreach(used ${arg_USES})
		petrel_target_name(${used} used_target)
		if(TARGET ${used_target})
			target_link_libraries(${target} PUBLIC ${used_target})
		endif()
	endforeach()
	target_link_libraries(${target} PUBLIC ${arg_LINKS} m)
	target_include_directories(${target} PUBLIC ${arg_INCLUDES})
	if(PETREL_TESTS)
		petrel_unit_tests(${path} ${target})
	endif()
endfunction()

# FOLDER/NAME.bpf.c -> NAME.skel.h for each NAME, in the interface target TARGET.
function(petrel_skeletons target folder)
	find_program(BPF_CLANG NAMES clang clang-14 REQUIRED)
	find_program(BPFTOOL bpftool PATHS /usr/sbin /sbin REQUIRED)
	find_program(LLVM_STRIP NAMES llvm-strip llvm-strip-14 REQUIRED)
	string(REPLACE "aarch64" "arm64" arch ${CMAKE_SYSTEM_PROCESSOR})
	string(REPLACE "x86_64" "x86" arch ${arch})
	file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bpf/*.h)
	set(dir ${CMAKE_BINARY_DIR}/${folder})
	file(MAKE_DIRECTORY ${dir})
	set(skeletons)
	foreach(name ${ARGN})
		set(source ${CMAKE_SOURCE_DIR}/${folder}/${name}.bpf.c)
		if(NOT EXISTS ${source})
			continue()
		endif()
		add_custom_command(OUTPUT ${dir}/${name}.skel.h
			COMMAND ${BPF_CLANG} -g -O2 -target bpf -mcpu=v2 -D__TARGET_ARCH_${arch} -I${CMAKE_SOURCE_DIR}
				-I${CMAKE_SYSROOT}/usr/include/${CMAKE_LIBRARY_ARCHITECTURE} -Wall -Werror
				-c ${source} -o ${dir}/${name}.bpf.o
			COMMAND ${LLVM_STRIP} -g ${dir}/${name}.bpf.o
			COMMAND ${BPFTOOL} gen skeleton ${dir}/${name}.bpf.o name ${name}_bpf > ${dir}/${name}.skel.h
			DEPENDS ${source} ${headers} VERBATIM)
		list(APPEND skeletons ${dir}/${name}.skel.h)
	endforeach()
	add_custom_target(${target}_skeletons DEPENDS ${skeletons})
	add_library(${target} INTERFACE)
	add_dependencies(${target} ${target}_skeletons)
	target_include_directories(${target} SYSTEM INTERFACE ${dir})
	target_link_libraries(${target} INTERFACE bpf elf z)
endfunction()

function(petrel_bpf)
	petrel_skeletons(petrel_bpf bpf ${ARGN})
endfunction()

# What needs this kernel and root: tests/bpf/test_*.c become ctest cases (label "bpf", a skip is the
# exit status 77), tests/bench/bpf/bench_NAME.c the programs behind tests/bench/NAME.
function(petrel_bpf_tests)
	file(GLOB tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/bpf/test_*.c)
	file(GLOB helpers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/bpf/load*.c)
	if(NOT PETREL_TESTS)
		set(tests)
	endif()
	foreach(test ${tests})
		get_filename_component(stem ${test} NAME_WE)
		add_executable(bpf_${stem} ${test} ${helpers})
		target_link_libraries(bpf_${stem} PRIVATE agent_probe cmocka)
		add_test(NAME bpf/${stem} COMMAND bpf_${stem})
		set_tests_properties(bpf/${stem} PROPERTIES LABELS bpf TIMEOUT 120 RUN_SERIAL ON
			SKIP_RETURN_CODE 77)
	endforeach()
	petrel_skeletons(petrel_bench_bpf tests/bench/bpf empty runqlat biolat)
	file(GLOB benches CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/bench/bpf/bench_*.c)
	foreach(bench ${benches})
		get_filename_component(stem ${bench} NAME_WE)
		add_executable(${stem} EXCLUDE_FROM_ALL ${bench} ${helpers} tests/bench/bpf/bench.c)
		target_link_libraries(${stem} PRIVATE agent_probe petrel_bench_bpf)
	endforeach()
endfunction()

function(petrel_program name path)
	cmake_parse_arguments(arg "NOINSTALL" "" "USES;LINKS" ${ARGN})
	if(EXISTS ${CMAKE_SOURCE_DIR}/${path}/main.c)
		file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${path}/*.c)
	elseif(path MATCHES "\\.c$" AND EXISTS ${CMAKE_SOURCE_DIR}/${path})
		set(sources ${path})
	else()
		return()
	endif()
	add_executable(${name} ${sources})
	foreach(used ${arg_USES})
		petrel_target_name(${used} used_target)
		target_link_libraries(${name} PRIVATE ${used_target})
	endforeach()
	target_link_libraries(${name} PRIVATE ${arg_LINKS})
	if(NOT arg_NOINSTALL)
		install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
	endif()
endfunction()

# Fewer shared libraries, less memory: what a library relocates at its start stays resident in every process (1.5 MiB for those
# of the agent), and of an archive only the objects in use are linked. The price: a library's security update needs a new build of
# the program, as any container image does. The folder of links stands first on the linker's path, so it takes these archives.
function(petrel_static name)
	set(dir ${CMAKE_BINARY_DIR}/static/${name})
	file(MAKE_DIRECTORY ${dir})
	foreach(library ${ARGN})
		find_library(PETREL_ARCHIVE_${library} NAMES lib${library}.a lib${library}_a.a)
		if(PETREL_ARCHIVE_${library})
			file(CREATE_LINK ${PETREL_ARCHIVE_${library}} ${dir}/lib${library}.a SYMBOLIC)
		else()
			message(STATUS "${name}: no archive of ${library}, its shared library is used")
		endif()
	endforeach()
	target_link_directories(${name} BEFORE PRIVATE ${dir})
	target_link_options(${name} PRIVATE -Wl,--gc-sections -Wl,--exclude-libs,ALL)
endfunction()

function(petrel_fuzz name)
	if(NOT PETREL_FUZZ)
		return()
	endif()
	cmake_parse_arguments(arg "" "" "USES;LINKS" ${ARGN})
	petrel_program(fuzz_${name} tests/fuzz/fuzz_${name}.c NOINSTALL USES ${arg_USES} LINKS ${arg_LINKS})
	target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
endfunction()

# Everything that is not a module: installed documents.
function(petrel_finish)
	file(GLOB man CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/deploy/man/*.[1-8])
	foreach(page ${man})
		string(REGEX REPLACE ".*\\.([1-8])$" "\\1" section ${page})
		install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
	endforeach()
	install(FILES deploy/completions/petrel.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME petrel)
	install(FILES deploy/completions/_petrel DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
	install(FILES deploy/completions/petrel.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
	install(FILES README.md LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
endfunction()
