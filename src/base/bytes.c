#include "base/bytes.h"

static uint8_t upper_of(uint8_t c)
{
    return c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c;
}

bool bytes_equal_word(struct bytes a, const char *upper)
{
    for (size_t i = 0; i < a.size; i++) {
        if (upper[i] == '\0' || upper_of(a.data[i]) != (uint8_t)upper[i]) {
            return false;
        }
    }
    return upper[a.size] == '\0';
}

bool bytes_to_int64(struct bytes a, int64_t *out_value)
{
    size_t i = 0;
    const bool negative = a.size > 0 && a.data[0] == '-';
    if (negative) {
        i = 1;
    }
    if (i == a.size || a.size - i > 19) {
        return false;
    }
    if (a.data[i] == '0' && (a.size - i > 1 || negative)) {
        return false;
    }
    uint64_t value = 0;
    for (; i < a.size; i++) {
        if (a.data[i] < '0' || a.data[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(a.data[i] - '0');
    }
    /* 19 digits always fit in 64 unsigned bits, so only the signed range is left to check. */
    if (value > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return false;
    }
    *out_value = negative ? (int64_t)(~value + 1) : (int64_t)value;
    return true;
}

size_t bytes_from_int64(int64_t value, uint8_t out[20])
{
    uint8_t digits[20];
    size_t count = 0;
    uint64_t rest = value < 0 ? ~(uint64_t)value + 1 : (uint64_t)value;
    do {
        digits[count++] = (uint8_t)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    size_t size = 0;
    if (value < 0) {
        out[size++] = '-';
    }
    while (count > 0) {
        out[size++] = digits[--count];
    }
    return size;
}
