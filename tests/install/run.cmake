# cmake -D BUILD=.. -D CONFIG=.. -D WORK=.. -D MODEL=.. -D CXX=.. -D SANITIZE=.. -P run.cmake
# Installs a finished build, moves it (a package must not remember where it was made), builds the outside program against it and draws.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " line)
    message(FATAL_ERROR "${line}\nexit status ${status}\n${out}")
  endif()
  set(output "${out}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --config ${CONFIG} --prefix ${WORK}/first)
file(RENAME ${WORK}/first ${WORK}/prefix)

if(SANITIZE)
  set(flags "-DCMAKE_CXX_FLAGS=-fsanitize=${SANITIZE}")
endif()
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${WORK}/build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=${CXX}
    -DCMAKE_PREFIX_PATH=${WORK}/prefix ${flags})
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${WORK}/build/outside ${MODEL} ${WORK}/picture.png)
if(NOT output MATCHES "drew 96 x 96")
  message(FATAL_ERROR "the outside program said: ${output}")
endif()
file(READ ${WORK}/picture.png signature LIMIT 8 HEX)
if(NOT signature STREQUAL "89504e470d0a1a0a")
  message(FATAL_ERROR "${WORK}/picture.png is not a PNG file")
endif()

# The command finds its library beside it.
run(${WORK}/prefix/bin/impasto --version)
