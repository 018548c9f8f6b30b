#include "sim/oddities.h"

#include "base/check.h"
#include "base/limits.h"

/* In a command this word stands for a value, or a key, that is one byte too large. */
#define TOO_LARGE_VALUE "@value"
#define TOO_LARGE_KEY   "@key"

struct oddity {
    const char *command; /* Words, one space between them. */
    const char *error;   /* Beginning of the only error it may get besides those of any request. */
    bool must_fail;
};

static const struct oddity ODDITIES[] = {
    {"DBSIZE", NULL, false},
    {"SCAN 0 COUNT 1", NULL, false},
    {"MGET f0 f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12 f13 f14 f15", NULL, false},
    {"EXISTS o0 o1 o2 o3 o4 o5 o6 o7 o8 o9 o10 o11 o12 o13 o14 o15 o16 o17", NULL, false},
    {"SET o0 word", NULL, false},
    {"SET o0 once NX", NULL, false},
    {"SET o1 word", NULL, false},
    {"MSET o0 one o1 two", NULL, false},
    {"INCRBY o0 1", "ERR value is not an integer", false},
    {"RPUSH o1 a b c d e f g h i j k l m n o p q r s t", "WRONGTYPE ", false},
    {"LPUSH o1 z", "WRONGTYPE ", false},
    {"LPOP o1", "WRONGTYPE ", false},
    {"RPOP o1 3", "WRONGTYPE ", false},
    {"GETRANGE o1 0 3", "WRONGTYPE ", false},
    {"DEL o0 o1", NULL, false},
    {"GET o0 LEVEL local MAXSTALE 1", NULL, false},
    {"SET o0 " TOO_LARGE_VALUE, "TOOBIG ", true},
    {"GET " TOO_LARGE_KEY, "TOOBIG ", true},
    {"SET o0 word LEVEL local", "LEVEL ", true},
    {"SET o0 word REQID 1", "ERR REQID", true},
    {"GET", "ERR wrong number", true},
    {"COUNT o0", "ERR unknown command", true},
};
#define ODDITY_COUNT (sizeof ODDITIES / sizeof ODDITIES[0])
/* The last number of all ends the connection. */
#define MALFORMED (ODDITY_COUNT + 1)

static const struct oddity *of(uint8_t oddity)
{
    Q_CHECK(oddity > 0 && oddity <= ODDITY_COUNT);
    return &ODDITIES[oddity - 1];
}

uint8_t oddity_draw(struct prng *prng)
{
    return (uint8_t)prng_between(prng, 1, MALFORMED);
}

static bool is_word(struct bytes word, const char *text)
{
    return bytes_equal(word, bytes_of_text(text));
}

static void add_word(struct buf *out, struct bytes word)
{
    size_t size = word.size;
    size = is_word(word, TOO_LARGE_VALUE) ? VALUE_SIZE_DEFAULT + 1 : size;
    size = is_word(word, TOO_LARGE_KEY) ? KEY_SIZE_MAX + 1 : size;
    buf_append_format(out, "$%zu\r\n", size);
    if (size == word.size) {
        buf_append(out, word);
    } else {
        memset(buf_reserve(out, size), 'x', size);
        buf_added(out, size);
    }
    buf_append_text(out, "\r\n");
}

void oddity_encode(uint8_t oddity, struct buf *out)
{
    if (oddity == MALFORMED) {
        buf_append_text(out, "*1\r\n$-5\r\n");
        return;
    }
    const char *at = of(oddity)->command;
    size_t words = 1;
    for (size_t i = 0; at[i] != '\0'; i++) {
        words += at[i] == ' ';
    }
    buf_append_format(out, "*%zu\r\n", words);
    while (words > 0) {
        size_t size = 0;
        while (at[size] != ' ' && at[size] != '\0') {
            size++;
        }
        add_word(out, bytes_of(at, size));
        at += size + 1;
        words--;
    }
}

static bool starts_with(struct bytes text, const char *prefix)
{
    const size_t size = strlen(prefix);
    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

bool oddity_accepts(uint8_t oddity, const struct resp_reply *reply)
{
    /* What any request may get while the cluster is in trouble. */
    static const char *const TROUBLE[] = {"CLUSTERDOWN ", "BUSY ", "TRYAGAIN ", "OUTCOMEUNKNOWN "};
    if (oddity == MALFORMED) {
        return reply->kind == RESP_ERROR && starts_with(reply->text, "ERR Protocol error");
    }
    const struct oddity *odd = of(oddity);
    if (reply->kind != RESP_ERROR) {
        return !odd->must_fail;
    }
    for (size_t i = 0; i < sizeof TROUBLE / sizeof TROUBLE[0] && !odd->must_fail; i++) {
        if (starts_with(reply->text, TROUBLE[i])) {
            return true;
        }
    }
    return odd->error != NULL && starts_with(reply->text, odd->error);
}

const char *oddity_text(uint8_t oddity)
{
    return oddity == MALFORMED ? "(malformed)" : of(oddity)->command;
}
