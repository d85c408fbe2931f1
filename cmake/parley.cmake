# parley.cmake - how a folder becomes a target.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# gcc 12 with strict aliasing takes the load of a list head out of a loop that moves its nodes
# (users.c: take_waiting; the test of a storm of new users fails), so it is off everywhere.
add_library(parley_flags INTERFACE)
target_include_directories(parley_flags INTERFACE ${CMAKE_SOURCE_DIR}/internal)
target_compile_definitions(parley_flags INTERFACE _GNU_SOURCE PARLEY_VERSION="${PROJECT_VERSION}")
target_compile_options(parley_flags INTERFACE
  -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla
  -Wformat=2 -Wundef -Wwrite-strings -fno-common -fno-strict-aliasing
  -fstack-protector-strong
  $<$<BOOL:${PARLEY_WERROR}>:-Werror>
  -include ${CMAKE_SOURCE_DIR}/internal/base/banned.h)
target_link_libraries(parley_flags INTERFACE Threads::Threads)
if(PARLEY_SANITIZE)
  target_compile_options(parley_flags INTERFACE -fsanitize=${PARLEY_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(parley_flags INTERFACE -fsanitize=${PARLEY_SANITIZE})
elseif(CMAKE_BUILD_TYPE MATCHES "Rel")
  target_compile_options(parley_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()

# parley_pkg(TARGET module...): an imported target PkgConfig::TARGET, found once.
macro(parley_pkg target)
  if(NOT TARGET PkgConfig::${target})
    pkg_check_modules(${target} REQUIRED IMPORTED_TARGET GLOBAL ${ARGN})
  endif()
endmacro()

# parley_layer(NAME LINKS target...): the static library parley_NAME of every .c file in this folder.
function(parley_layer name)
  cmake_parse_arguments(arg "" "" "LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  if(sources)
    add_library(parley_${name} STATIC ${sources})
    target_link_libraries(parley_${name} PUBLIC parley_flags ${arg_LINKS})
  else()
    add_library(parley_${name} INTERFACE)
    target_link_libraries(parley_${name} INTERFACE parley_flags ${arg_LINKS})
  endif()
endfunction()

# parley_program(NAME LINKS target...): a program of every .c file in this folder, in build/bin.
function(parley_program name)
  cmake_parse_arguments(arg "" "" "LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  add_executable(${name} ${sources})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  target_link_libraries(${name} PRIVATE parley_flags ${arg_LINKS})
endfunction()

# parley_tests(PREFIX LINKS target...): one cmocka program and one ctest entry for each test_*.c in
# this folder. A test that starts real servers says LABELS real.
function(parley_tests prefix)
  cmake_parse_arguments(arg "" "TIMEOUT" "LINKS;LABELS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/test_*.c)
  foreach(source ${sources})
    get_filename_component(stem ${source} NAME_WE)
    string(REPLACE "test_" "${prefix}_" target ${stem})
    add_executable(${target} ${source})
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    target_link_libraries(${target} PRIVATE parley_test_support parley_flags ${arg_LINKS})
    add_test(NAME ${target} COMMAND ${target} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    if(NOT arg_TIMEOUT)
      set(arg_TIMEOUT 60)
    endif()
    set_tests_properties(${target} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
  endforeach()
endfunction()

# parley_add_subfolders(DIR): every folder below DIR that has a CMakeLists.txt; support first.
function(parley_add_subfolders dir)
  set(first)
  set(rest)
  file(GLOB lists CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${dir}/*/CMakeLists.txt)
  foreach(list ${lists})
    get_filename_component(folder ${list} DIRECTORY)
    get_filename_component(leaf ${folder} NAME)
    if(leaf STREQUAL "support" OR leaf STREQUAL "uv")
      list(PREPEND first ${folder})
    else()
      list(APPEND rest ${folder})
    endif()
  endforeach()
  foreach(folder ${first} ${rest})
    add_subdirectory(${folder})
  endforeach()
endfunction()
