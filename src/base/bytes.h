/* A borrowed run of bytes, passed by value. Keys and values are never C strings.
 *
 * A `struct bytes` owns nothing: it is valid until the call returns unless the function that hands
 * it out says longer.
 */
#ifndef Q_BASE_BYTES_H
#define Q_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *data; /* May be NULL when size is 0. */
    size_t size;
};

/* The bytes of a C string, without its terminator. */
static inline struct bytes bytes_of_text(const char *text)
{
    return (struct bytes){.data = (const uint8_t *)text, .size = strlen(text)};
}

static inline struct bytes bytes_of(const void *data, size_t size)
{
    return (struct bytes){.data = (const uint8_t *)data, .size = size};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Compares as unsigned bytes, a prefix before its extensions: <0, 0, >0. */
static inline int bytes_compare(struct bytes a, struct bytes b)
{
    const size_t common = a.size < b.size ? a.size : b.size;
    const int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0) {
        return order;
    }
    return a.size < b.size ? -1 : a.size > b.size;
}

/* Equal to an ASCII word, ignoring case. `upper` must be in upper case. */
bool bytes_equal_word(struct bytes a, const char *upper);

/* Parses a whole decimal int64 in Redis' strict form: optional '-', no '+', no leading zeros, no
 * spaces. Returns false and leaves out_value alone otherwise. */
bool bytes_to_int64(struct bytes a, int64_t *out_value);

/* Writes the decimal form of `value` (at most 20 bytes, no terminator) and returns its size. */
size_t bytes_from_int64(int64_t value, uint8_t out[20]);

#endif
