/* Redis' glob patterns: `*`, `?`, `[a-z]`, `[^a]`, `\` before a byte meant literally. Pure. */
#ifndef Q_BASE_GLOB_H
#define Q_BASE_GLOB_H

#include "base/bytes.h"

enum glob_case {
    GLOB_EXACT,      /* SCAN MATCH. */
    GLOB_IGNORE_CASE /* ASCII; CONFIG GET, COMMAND LIST. */
};

/* True when the whole text matches. At most O(pattern * text) steps, no recursion. */
bool glob_matches(struct bytes pattern, struct bytes text, enum glob_case how);

#endif
