/* Glob patterns of CONFIG GET and COMMAND LIST: `*`, `?`, `[a-z]`, `[^a]`, `\` before a byte meant
 * literally. */
#ifndef Q_FRONT_GLOB_H
#define Q_FRONT_GLOB_H

#include "base/bytes.h"

/* True when the whole text matches, ignoring ASCII case. Takes at most O(pattern * text). */
bool glob_matches(struct bytes pattern, struct bytes text);

#endif
