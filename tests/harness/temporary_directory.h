/* A directory below /tmp for one test case, with everything in it removed at the end. */
#ifndef Q_TESTS_HARNESS_TEMPORARY_DIRECTORY_H
#define Q_TESTS_HARNESS_TEMPORARY_DIRECTORY_H

#include "harness/test.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct temporary_directory {
    char path[64];
};

static inline void temporary_directory_make(struct temporary_directory *directory)
{
    (void)snprintf(directory->path, sizeof directory->path, "/tmp/quorate-test-XXXXXX");
    REQUIRE(mkdtemp(directory->path) != NULL);
}

static inline int temporary_directory_visit(const char *path,
                                            const struct stat *status,
                                            int flag,
                                            struct FTW *ftw)
{
    (void)status;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void temporary_directory_remove(const struct temporary_directory *directory)
{
    REQUIRE(nftw(directory->path, temporary_directory_visit, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

#endif
