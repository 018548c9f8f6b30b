/* Redis' glob patterns without recursion: on a mismatch after '*' the star takes one more byte. */
#include "node/machine/machine_private.h"

/* Matches one pattern item at `*at` against `c` and moves past the item. */
static bool item_matches(struct bytes pattern, size_t *at, uint8_t c)
{
    size_t i = *at;
    if (pattern.data[i] == '?') {
        *at = i + 1;
        return true;
    }
    if (pattern.data[i] == '\\' && i + 1 < pattern.size) {
        *at = i + 2;
        return pattern.data[i + 1] == c;
    }
    if (pattern.data[i] != '[') {
        *at = i + 1;
        return pattern.data[i] == c;
    }
    i++;
    const bool negated = i < pattern.size && pattern.data[i] == '^';
    i += negated;
    bool found = false;
    while (i < pattern.size && pattern.data[i] != ']') {
        if (pattern.data[i] == '\\' && i + 1 < pattern.size) {
            i++;
        }
        uint8_t low = pattern.data[i];
        uint8_t high = low;
        if (i + 2 < pattern.size && pattern.data[i + 1] == '-') {
            high = pattern.data[i + 2];
            i += 2;
        }
        if (low > high) {
            const uint8_t swap = low;
            low = high;
            high = swap;
        }
        found = found || (c >= low && c <= high);
        i++;
    }
    *at = i < pattern.size ? i + 1 : i;
    return found != negated;
}

bool glob_matches(struct bytes pattern, struct bytes text)
{
    size_t p = 0;
    size_t t = 0;
    size_t star = SIZE_MAX; /* Where the pattern goes on after the last star. */
    size_t star_text = 0;
    while (t < text.size) {
        if (p < pattern.size && pattern.data[p] == '*') {
            star = ++p;
            star_text = t;
            continue;
        }
        if (p < pattern.size && item_matches(pattern, &p, text.data[t])) {
            t++;
            continue;
        }
        if (star == SIZE_MAX) {
            return false;
        }
        p = star;
        t = ++star_text;
    }
    while (p < pattern.size && pattern.data[p] == '*') {
        p++;
    }
    return p == pattern.size;
}
