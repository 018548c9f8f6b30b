/* Delta debugging: which of many things are needed for a failure to stay.
 *
 * After Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002), reduced
 * to its complements: ever smaller pieces are left out, and stay out when the failure stays. It
 * asks about n log n times for n things of which few matter.
 */
#ifndef Q_SIM_DDMIN_H
#define Q_SIM_DDMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when it still fails with only these items. */
typedef bool (*ddmin_fn)(void *context, const uint32_t *kept, size_t count);

/* Keeps of `items`, with all of which it fails, the ones that matter, in their order, and
 * returns their number; those left out are lost. When the answers depend on the items alone, no
 * single one of these can be left out. */
size_t ddmin(uint32_t *items, size_t count, ddmin_fn still_fails, void *context);

#endif
