# Writes OUTPUT, a header that says which commit SOURCE is at, and only when that has changed: a
# build of the same sources compiles and links nothing again.
#
# usage: cmake -DSOURCE=<tree> -DOUTPUT=<header> -P scripts/build_commit.cmake

set(commit "unknown")
find_program(GIT git)
if(GIT)
  # The tree itself must be the repository: an unpacked release inside of another one is not.
  execute_process(COMMAND ${GIT} -C ${SOURCE} rev-parse --show-toplevel
    OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  file(REAL_PATH ${SOURCE} source)
  if(NOT failed AND top STREQUAL source)
    execute_process(COMMAND ${GIT} -C ${SOURCE} describe --always --dirty --abbrev=12
      OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
      RESULT_VARIABLE failed)
    if(NOT failed AND described MATCHES "^[-+._A-Za-z0-9/]+$")
      set(commit ${described})
    endif()
  endif()
endif()

set(text "/* The commit this was built from; made by scripts/build_commit.cmake. */
#define BUILD_COMMIT \"${commit}\"
")
set(before "")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} before)
endif()
if(NOT before STREQUAL text)
  file(WRITE ${OUTPUT} "${text}")
endif()
