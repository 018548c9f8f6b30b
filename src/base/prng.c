#include "base/prng.h"

#include "base/check.h"

static uint64_t rotate_left(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

void prng_init(struct prng *prng, uint64_t seed)
{
    /* splitmix64 spreads a small seed over the whole state. */
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        prng->state[i] = z ^ z >> 31;
    }
}

uint64_t prng_next(struct prng *prng)
{
    uint64_t *s = prng->state;
    const uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t prng_below(struct prng *prng, uint64_t bound)
{
    Q_CHECK(bound > 0);
    /* Rejects the tail that would make small results likelier. */
    const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    uint64_t value = prng_next(prng);
    while (value >= limit) {
        value = prng_next(prng);
    }
    return value % bound;
}

uint64_t prng_between(struct prng *prng, uint64_t low, uint64_t high)
{
    Q_CHECK(low <= high);
    return low + prng_below(prng, high - low + 1);
}

bool prng_chance(struct prng *prng, uint64_t numerator, uint64_t denominator)
{
    return prng_below(prng, denominator) < numerator;
}
