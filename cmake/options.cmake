# Flags that every target of ours is built with.
add_library(impasto_flags INTERFACE)
# No errno from math functions, so that they vectorise; no contraction into fused multiply-adds behind our back, so that a result does not
# depend on what the compiler found.
target_compile_options(impasto_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wno-psabi;-fno-math-errno;-ffp-contract=off>)

if(IMPASTO_SANITIZE)
  set(flags -fsanitize=${IMPASTO_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_compile_options(${flags}) # not of impasto_flags, whose options come last: a folder may add its own
  target_link_options(impasto_flags INTERFACE ${flags})
endif()

# What was compiled before, in this clone or another, costs nothing again where ccache is installed.
find_program(IMPASTO_CCACHE ccache)
if(PROJECT_IS_TOP_LEVEL AND IMPASTO_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros ${IMPASTO_CCACHE})
endif()
