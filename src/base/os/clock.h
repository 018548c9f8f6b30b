/* The real clocks. Only base/os, net and server may look at them. */
#ifndef Q_BASE_OS_CLOCK_H
#define Q_BASE_OS_CLOCK_H

#include <stdint.h>

uint64_t clock_monotonic_ms(void); /* CLOCK_BOOTTIME. */
uint64_t clock_monotonic_us(void);
uint64_t clock_wall_ms(void); /* CLOCK_REALTIME. */

#endif
