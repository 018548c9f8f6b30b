#include "wire/resp_inline.h"

#include "base/check.h"

/* One pass serves both functions: `out` is where decoded bytes go, NULL to count only. */
struct cutter {
    const uint8_t *line;
    size_t size;
    size_t at;
    uint8_t *out;
    size_t out_size; /* Of the word being cut. */
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

static void put(struct cutter *c, uint8_t byte)
{
    if (c->out != NULL) {
        c->out[c->out_size] = byte;
    }
    c->out_size++;
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const uint8_t lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static uint8_t escaped(uint8_t c)
{
    switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return c;
    }
}

/* One escape of a "..." part; c->at is on the backslash and there is a byte behind it. */
static void cut_escape(struct cutter *c)
{
    const uint8_t *at = c->line + c->at;
    if (c->size - c->at >= 4 && at[1] == 'x' && hex_value(at[2]) >= 0 && hex_value(at[3]) >= 0) {
        put(c, (uint8_t)(hex_value(at[2]) * 16 + hex_value(at[3])));
        c->at += 4;
        return;
    }
    put(c, escaped(at[1]));
    c->at += 2;
}

/* A quoted part; c->at is on its opening quote. False when it does not end, or ends inside a word.
 */
static bool cut_quoted(struct cutter *c)
{
    const uint8_t quote = c->line[c->at++];
    while (c->at < c->size && c->line[c->at] != quote) {
        const bool more = c->at + 1 < c->size;
        if (quote == '"' && c->line[c->at] == '\\' && more) {
            cut_escape(c);
        } else if (quote == '\'' && c->line[c->at] == '\\' && more && c->line[c->at + 1] == '\'') {
            put(c, '\'');
            c->at += 2;
        } else {
            put(c, c->line[c->at++]);
        }
    }
    if (c->at == c->size) {
        return false;
    }
    c->at++;
    return c->at == c->size || is_blank(c->line[c->at]);
}

/* Skips blanks and cuts one word. out_found = false at the end of the line. */
static bool cut_word(struct cutter *c, bool *out_found)
{
    while (c->at < c->size && is_blank(c->line[c->at])) {
        c->at++;
    }
    *out_found = c->at < c->size;
    c->out_size = 0;
    while (c->at < c->size && !is_blank(c->line[c->at])) {
        if (c->line[c->at] == '"' || c->line[c->at] == '\'') {
            if (!cut_quoted(c)) {
                return false;
            }
        } else {
            put(c, c->line[c->at++]);
        }
    }
    return true;
}

bool resp_inline_count(struct bytes line, size_t *out_count)
{
    struct cutter c = {.line = line.data, .size = line.size};
    size_t count = 0;
    bool found = true;
    while (found) {
        if (!cut_word(&c, &found)) {
            return false;
        }
        count += found ? 1 : 0;
    }
    *out_count = count;
    return true;
}

void resp_inline_split(uint8_t *line, size_t size, struct bytes *words, size_t count)
{
    struct cutter c = {.line = line, .size = size, .out = line};
    for (size_t i = 0; i < count; i++) {
        bool found = false;
        const bool balanced = cut_word(&c, &found);
        Q_CHECK(balanced && found);
        words[i] = bytes_of(c.out, c.out_size);
        c.out += c.out_size;
        Q_CHECK(c.out <= line + c.at);
    }
}
