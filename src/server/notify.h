/* What systemd wants to hear (sd_notify), without its library: one datagram per message.
 *
 * Everything is a courtesy: without NOTIFY_SOCKET, or when the datagram does not go through,
 * nothing happens.
 */
#ifndef Q_SERVER_NOTIFY_H
#define Q_SERVER_NOTIFY_H

#include <stdint.h>

/* `text` as sd_notify takes it: "READY=1", "STATUS=...", "WATCHDOG=1", "STOPPING=1". */
void notify_send(const char *text);

/* How often WATCHDOG=1 is due (half of what systemd allows); 0: nobody watches this process. */
uint64_t notify_watchdog_ms(void);

#endif
