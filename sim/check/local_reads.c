#include "sim/check/checks.h"

/* True when `seen` is `closing` as of an earlier time: cut at the end of an element. */
static bool is_earlier(struct bytes seen, struct bytes closing)
{
    if (seen.size == 0 || bytes_equal(seen, closing)) {
        return true;
    }
    if (seen.size > closing.size || memcmp(seen.data, closing.data, seen.size) != 0) {
        return false;
    }
    return seen.data[seen.size - 1] == '.';
}

void check_local_growing(struct violation *violation,
                         const char *key,
                         struct bytes seen,
                         struct bytes closing)
{
    if (!is_earlier(seen, closing)) {
        violation_report(violation, "local_reads",
                         "a local read of %s saw %.*s, which never was its value", key,
                         (int)(seen.size > 400 ? 400 : seen.size), (const char *)seen.data);
    }
}

void check_local_counter(struct violation *violation,
                         const char *key,
                         struct bytes seen,
                         struct bytes closing)
{
    int64_t value = 0;
    int64_t last = 0;
    const bool is_number = bytes_to_int64(seen, &value);
    (void)bytes_to_int64(closing, &last); /* An absent counter is 0. */
    if (!is_number || value < 0 || value > last) {
        violation_report(violation, "local_reads",
                         "a local read of %s saw %.*s, its last value is "
                         "%lld",
                         key, (int)seen.size, (const char *)seen.data, (long long)last);
    }
}

void check_local_register(struct violation *violation,
                          const char *key,
                          struct bytes seen,
                          bool was_written)
{
    if (!was_written) {
        violation_report(violation, "local_reads",
                         "a local read of %s saw %.*s, which nobody wrote there", key,
                         (int)(seen.size > 40 ? 40 : seen.size), (const char *)seen.data);
    }
}
