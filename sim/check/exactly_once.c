#include "sim/check/checks.h"

void check_repeat(struct violation *violation,
                  struct bytes request_id,
                  struct bytes first,
                  struct bytes repeat)
{
    if (bytes_equal(first, repeat)) {
        return;
    }
    violation_report(violation, "exactly_once", "request %.*s was answered %.*s and then %.*s",
                     (int)request_id.size, (const char *)request_id.data, (int)first.size,
                     (const char *)first.data, (int)repeat.size, (const char *)repeat.data);
}
