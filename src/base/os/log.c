#include "base/os/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static enum log_level lowest_level = LOG_INFO;
static bool as_json;

void log_configure(enum log_level lowest, bool json)
{
    lowest_level = lowest;
    as_json = json;
}

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_DEBUG: return "debug";
    case LOG_INFO: return "info";
    case LOG_WARN: return "warn";
    case LOG_ERROR:
    case LOG_OFF: break;
    }
    return "error";
}

/* Control characters would let a client forge log lines; quotes and backslashes would break JSON.
 */
static void escape(char *out, size_t size, const char *in, bool quotes)
{
    size_t used = 0;
    for (; *in != '\0' && used + 7 < size; in++) {
        const unsigned char c = (unsigned char)*in;
        if (c < 0x20 || c == 0x7f) {
            used += (size_t)snprintf(out + used, size - used, "\\u%04x", c);
        } else if (quotes && (c == '"' || c == '\\')) {
            out[used++] = '\\';
            out[used++] = (char)c;
        } else {
            out[used++] = (char)c;
        }
    }
    out[used] = '\0';
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    if (level < lowest_level || lowest_level == LOG_OFF) {
        return;
    }
    char raw[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(raw, sizeof raw, format, arguments);
    va_end(arguments);
    char fields[2048];
    escape(fields, sizeof fields, raw, as_json);
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    struct tm utc;
    (void)gmtime_r(&now.tv_sec, &utc);
    char stamp[32];
    (void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)fprintf(stderr,
                  as_json ? "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"event\":\"%s\","
                            "\"fields\":\"%s\"}\n"
                          : "time=%s.%03ldZ level=%s event=%s %s\n",
                  stamp, now.tv_nsec / 1000000, level_name(level), event, fields);
}
