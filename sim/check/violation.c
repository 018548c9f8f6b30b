#include "sim/check/violation.h"

#include <stdarg.h>
#include <stdio.h>

void violation_report(struct violation *violation, const char *checker, const char *format, ...)
{
    if (violation->found) {
        return;
    }
    violation->found = true;
    (void)snprintf(violation->checker, sizeof violation->checker, "%s", checker);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(violation->reason, sizeof violation->reason, format, arguments);
    va_end(arguments);
}
