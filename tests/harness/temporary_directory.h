/* A directory below TMPDIR or /tmp for one test case, with everything in it removed at the end. */
#ifndef Q_TESTS_HARNESS_TEMPORARY_DIRECTORY_H
#define Q_TESTS_HARNESS_TEMPORARY_DIRECTORY_H

#include "harness/test.h"

#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct temporary_directory {
    char path[64];
};

/* For tests with thousands of syncs that are not about what these do to a disk: directories made
 * later are in memory, if there is such a place. */
static inline void temporary_directory_prefer_memory(void)
{
    if (access("/dev/shm", W_OK) == 0) {
        (void)setenv("TMPDIR", "/dev/shm", 1);
    }
}

static inline void temporary_directory_make(struct temporary_directory *directory)
{
    const char *base = getenv("TMPDIR");
    const bool fits = base != NULL && base[0] == '/' && strlen(base) < 32;
    (void)snprintf(directory->path, sizeof directory->path, "%s/quorate-test-XXXXXX",
                   fits ? base : "/tmp");
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
