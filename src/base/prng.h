/* A small seeded generator (xoshiro256**, Blackman and Vigna 2018) for election timeouts and the
 * simulator. Not for secrets. Pure: the state is the caller's. */
#ifndef Q_BASE_PRNG_H
#define Q_BASE_PRNG_H

#include <stdbool.h>
#include <stdint.h>

struct prng {
    uint64_t state[4];
};

/* Any seed is fine, 0 included. */
void prng_init(struct prng *prng, uint64_t seed);
uint64_t prng_next(struct prng *prng);
/* Uniform in [0, bound); bound > 0. */
uint64_t prng_below(struct prng *prng, uint64_t bound);
/* Uniform in [low, high], low <= high. */
uint64_t prng_between(struct prng *prng, uint64_t low, uint64_t high);
/* True with probability numerator/denominator. */
bool prng_chance(struct prng *prng, uint64_t numerator, uint64_t denominator);

#endif
