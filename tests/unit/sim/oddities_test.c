/* sim/oddities: commands as bytes, and which answers are right. */
#include "base/limits.h"
#include "harness/test.h"
#include "sim/oddities.h"

#include <string.h>

#define TRIES 2000

/* The number of the oddity with this text; 0 when none has it. */
static uint8_t find(const char *text)
{
    struct prng prng;
    prng_init(&prng, 1);
    for (int i = 0; i < TRIES; i++) {
        const uint8_t oddity = oddity_draw(&prng);
        if (strcmp(oddity_text(oddity), text) == 0) {
            return oddity;
        }
    }
    return 0;
}

static struct resp_reply reply_of(enum resp_kind kind, const char *text)
{
    return (struct resp_reply){.kind = kind, .text = bytes_of_text(text)};
}

TEST(a_command_is_an_array_of_its_words)
{
    struct buf out = {0};
    oddity_encode(find("INCRBY o0 1"), &out);
    EXPECT(bytes_equal(buf_bytes(&out),
                       bytes_of_text("*3\r\n$6\r\nINCRBY\r\n$2\r\no0\r\n$1\r\n1\r\n")));
    buf_deinit(&out);
}

TEST(too_large_keys_and_values_are_one_byte_too_large)
{
    struct buf out = {0};
    oddity_encode(find("GET @key"), &out);
    EXPECT(buf_size(&out) == strlen("*2\r\n$3\r\nGET\r\n$16385\r\n\r\n") + KEY_SIZE_MAX + 1);
    buf_clear(&out);
    oddity_encode(find("SET o0 @value"), &out);
    EXPECT(buf_size(&out) ==
           strlen("*3\r\n$3\r\nSET\r\n$2\r\no0\r\n$2097153\r\n\r\n") + VALUE_SIZE_DEFAULT + 1);
    buf_deinit(&out);
}

TEST(what_must_be_refused_may_not_succeed_nor_fail_otherwise)
{
    const uint8_t oddity = find("SET o0 word LEVEL local");
    const struct resp_reply refused = reply_of(RESP_ERROR, "LEVEL local is for reads");
    const struct resp_reply done = reply_of(RESP_STATUS, "OK");
    const struct resp_reply other = reply_of(RESP_ERROR, "CLUSTERDOWN no leader");
    EXPECT(oddity_accepts(oddity, &refused));
    EXPECT(!oddity_accepts(oddity, &done));
    EXPECT(!oddity_accepts(oddity, &other));
}

TEST(what_may_succeed_may_also_meet_trouble_or_its_own_error_but_no_other)
{
    const uint8_t oddity = find("LPOP o1");
    const struct resp_reply done = reply_of(RESP_BULK, "a");
    const struct resp_reply trouble = reply_of(RESP_ERROR, "OUTCOMEUNKNOWN - perhaps");
    const struct resp_reply own = reply_of(RESP_ERROR, "WRONGTYPE Operation against a key");
    const struct resp_reply broken = reply_of(RESP_ERROR, "ERR storage: corrupt");
    EXPECT(oddity_accepts(oddity, &done));
    EXPECT(oddity_accepts(oddity, &trouble));
    EXPECT(oddity_accepts(oddity, &own));
    EXPECT(!oddity_accepts(oddity, &broken));
}

TEST(malformed_input_gets_a_protocol_error_and_nothing_else)
{
    const uint8_t oddity = find("(malformed)");
    const struct resp_reply right = reply_of(RESP_ERROR, "ERR Protocol error: invalid bulk length");
    const struct resp_reply wrong = reply_of(RESP_STATUS, "OK");
    EXPECT(oddity_accepts(oddity, &right));
    EXPECT(!oddity_accepts(oddity, &wrong));
}

TEST_MAIN(CASE(a_command_is_an_array_of_its_words),
          CASE(too_large_keys_and_values_are_one_byte_too_large),
          CASE(what_must_be_refused_may_not_succeed_nor_fail_otherwise),
          CASE(what_may_succeed_may_also_meet_trouble_or_its_own_error_but_no_other),
          CASE(malformed_input_gets_a_protocol_error_and_nothing_else))
