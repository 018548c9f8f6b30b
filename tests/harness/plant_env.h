/* Lets QUORATE_PLANT=<name> turn a planted bug on in test programs built with QUORATE_PLANTS, to
 * see which tests catch it. Nothing at all in ordinary builds. */
#ifndef Q_TESTS_HARNESS_PLANT_ENV_H
#define Q_TESTS_HARNESS_PLANT_ENV_H

#if defined(QUORATE_PLANTS)

#include "base/plant.h"

#include <stdlib.h>
#include <string.h>

__attribute__((constructor)) static void plant_from_env(void)
{
    static const char *const names[] = {
#define X(name, tool, text) #name,
        Q_PLANT_MAP(X)
#undef X
    };
    const char *wanted = getenv("QUORATE_PLANT");
    for (size_t i = 0; wanted != NULL && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], wanted) == 0) {
            plant_active = (enum plant)i;
        }
    }
}

#endif

#endif
