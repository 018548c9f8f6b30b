/* Hybrid logical clock (Kulkarni et al. 2014): wall time that never goes back and never repeats.
 *
 * A time is milliseconds since 1970 in the upper 48 bits and a counter in the lower 16. The counter
 * may overflow into the milliseconds: order and uniqueness matter, closeness to the wall is a
 * matter of degree. Pure; the caller owns the clock.
 */
#ifndef Q_CORE_HLC_HLC_H
#define Q_CORE_HLC_HLC_H

#include "base/ids.h"

#include <stdbool.h>

#define HLC_MS_MAX ((UINT64_C(1) << (64 - HLC_COUNTER_BITS)) - 1)

/* A zeroed clock has given out nothing. */
struct hlc {
    hlc_time last; /* Largest time given out or observed. */
};

/* A time greater than every one given out or observed before, and at least the wall's. A wall
 * beyond HLC_MS_MAX (year 10889) counts as that. Cannot fail. */
hlc_time hlc_now(struct hlc *hlc, uint64_t wall_ms);

/* Later times of this clock will be greater than `other`. Call it only with times that were
 * accepted (hlc_is_ahead): one from the far future would drag this clock there for good. */
void hlc_observe(struct hlc *hlc, hlc_time other);

/* True when `other` is more than `drift_ms` ahead of the wall. */
bool hlc_is_ahead(hlc_time other, uint64_t wall_ms, uint64_t drift_ms);

static inline uint64_t hlc_to_ms(hlc_time time)
{
    return time >> HLC_COUNTER_BITS;
}

/* The smallest time of a millisecond; beyond HLC_MS_MAX that of HLC_MS_MAX. */
hlc_time hlc_from_ms(uint64_t ms);

#endif
