/* Logging on stderr: one event a line, `time level event key=value...` (logfmt) or JSON.
 *
 * Only node, net and server log. Event names are stable: they are documented in
 * docs/reference/logs.
 */
#ifndef Q_BASE_OS_LOG_H
#define Q_BASE_OS_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

/* Process-wide; defaults: LOG_INFO, logfmt. The simulator switches it off. */
void log_configure(enum log_level lowest, bool json);

/* `format` gives the key=value part; quote values that may hold spaces: reason="...". */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
