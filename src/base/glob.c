#include "base/glob.h"

static uint8_t fold(uint8_t c, enum glob_case how)
{
    const bool folds = how == GLOB_IGNORE_CASE && c >= 'A' && c <= 'Z';
    return folds ? (uint8_t)(c - 'A' + 'a') : c;
}

/* Matches one byte against the class at pattern[*at] = '[' and moves *at past its ']'. */
static bool class_matches(struct bytes pattern, size_t *at, uint8_t c, enum glob_case how)
{
    size_t i = *at + 1;
    const bool negated = i < pattern.size && pattern.data[i] == '^';
    i += negated ? 1 : 0;
    bool found = false;
    while (i < pattern.size && pattern.data[i] != ']') {
        if (pattern.data[i] == '\\' && i + 1 < pattern.size) {
            i++;
        }
        uint8_t low = fold(pattern.data[i], how);
        uint8_t high = low;
        if (i + 2 < pattern.size && pattern.data[i + 1] == '-' && pattern.data[i + 2] != ']') {
            high = fold(pattern.data[i + 2], how);
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

/* Matches one byte of text against the element at pattern[*at] and moves past the element. */
static bool element_matches(struct bytes pattern, size_t *at, uint8_t text, enum glob_case how)
{
    const uint8_t c = fold(text, how);
    switch (pattern.data[*at]) {
    case '?': (*at)++; return true;
    case '[': return class_matches(pattern, at, c, how);
    case '\\': *at += *at + 1 < pattern.size ? 1 : 0; break;
    default: break;
    }
    return fold(pattern.data[(*at)++], how) == c;
}

bool glob_matches(struct bytes pattern, struct bytes text, enum glob_case how)
{
    size_t p = 0;
    size_t t = 0;
    /* Where to go on after a mismatch: behind the last star, one byte of text later. Earlier stars
     * need no second try, because the last one can absorb whatever they could. */
    bool has_star = false;
    size_t star_pattern = 0;
    size_t star_text = 0;
    while (t < text.size) {
        if (p < pattern.size && pattern.data[p] == '*') {
            has_star = true;
            star_pattern = ++p;
            star_text = t;
            continue;
        }
        if (p < pattern.size && element_matches(pattern, &p, text.data[t], how)) {
            t++;
            continue;
        }
        if (!has_star) {
            return false;
        }
        p = star_pattern;
        t = ++star_text;
    }
    while (p < pattern.size && pattern.data[p] == '*') {
        p++;
    }
    return p == pattern.size;
}
