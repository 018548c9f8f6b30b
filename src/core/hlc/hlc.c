#include "core/hlc/hlc.h"

#include "base/check.h"
#include "base/mark.h"
#include "base/plant.h"

hlc_time hlc_from_ms(uint64_t ms)
{
    return (ms > HLC_MS_MAX ? HLC_MS_MAX : ms) << HLC_COUNTER_BITS;
}

hlc_time hlc_now(struct hlc *hlc, uint64_t wall_ms)
{
    const hlc_time wall = hlc_from_ms(wall_ms);
    Q_CHECK(hlc->last < UINT64_MAX);
    const hlc_time next = hlc->last + 1;
    Q_MARK_IF(HLC_COUNTS, hlc_to_ms(next) > wall_ms);
    hlc->last = wall > next || Q_PLANT(HLC) ? wall : next;
    return hlc->last;
}

void hlc_observe(struct hlc *hlc, hlc_time other)
{
    if (other > hlc->last) {
        hlc->last = other;
    }
}

bool hlc_is_ahead(hlc_time other, uint64_t wall_ms, uint64_t drift_ms)
{
    const uint64_t ms = hlc_to_ms(other);
    return ms > wall_ms && ms - wall_ms > drift_ms;
}
