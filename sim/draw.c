#include "sim/draw.h"

#include "base/check.h"

bool draw_ppm(struct prng *prng, uint32_t ppm)
{
    return ppm > 0 && prng_chance(prng, ppm, 1000000);
}

uint64_t draw_exponential(struct prng *prng, uint64_t mean)
{
    if (mean == 0) {
        return 0;
    }
    /* -log2(u): its whole part is a count of leading zeros, its fraction is interpolated. */
    const uint64_t bits = prng_next(prng) | 1;
    const uint64_t zeros = (uint64_t)__builtin_clzll(bits);
    const uint64_t fraction = zeros >= 47 ? 0 : (bits << (zeros + 1)) >> 48;
    const uint64_t log2_16 = (zeros << 16) + (65536 - fraction);
    /* ln 2 = 45426 / 65536. */
    return mean * (log2_16 * 45426 >> 16) >> 16;
}

uint64_t draw_log_uniform(struct prng *prng, uint64_t low, uint64_t high)
{
    Q_CHECK(low > 0);
    Q_CHECK(low <= high);
    uint64_t steps = 0;
    for (uint64_t at = low; at <= high / 2; at *= 2) {
        steps++;
    }
    const uint64_t from = low << prng_below(prng, steps + 1);
    const uint64_t to = from > high / 2 ? high : from * 2;
    return prng_between(prng, from, to < from ? from : to);
}
