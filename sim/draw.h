/* Random distributions for the simulator, in integers only so that every build draws the same. */
#ifndef Q_SIM_DRAW_H
#define Q_SIM_DRAW_H

#include "base/prng.h"

/* True with probability ppm / 1,000,000. */
bool draw_ppm(struct prng *prng, uint32_t ppm);
/* Roughly exponential with this mean; 0 for mean 0. At most about 45 times the mean. */
uint64_t draw_exponential(struct prng *prng, uint64_t mean);
/* Uniform over the orders of magnitude between low and high, 0 < low <= high: faults that matter
 * have rates of any size, and uniform draws would nearly always give large ones. */
uint64_t draw_log_uniform(struct prng *prng, uint64_t low, uint64_t high);

#endif
