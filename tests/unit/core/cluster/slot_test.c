/* core/cluster/slot: the same slots as Redis Cluster, hash tags included. */
#include "base/prng.h"
#include "core/cluster/slot.h"
#include "harness/test.h"

static uint16_t slot_of_text(const char *key)
{
    return slot_of_key(bytes_of_text(key));
}

/* The definition, bit by bit, to judge the table by. */
static uint16_t slow_crc16(const uint8_t *data, size_t size)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < size; i++) {
        crc = (uint16_t)(crc ^ (data[i] << 8));
        for (int bit = 0; bit < 8; bit++) {
            crc = (uint16_t)((crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1);
        }
    }
    return crc;
}

TEST(the_checksum_is_xmodem)
{
    EXPECT(slot_crc16(bytes_of_text("123456789")) == 0x31C3);
    EXPECT(slot_crc16(bytes_of(NULL, 0)) == 0);
}

TEST(the_table_agrees_with_the_polynomial)
{
    for (unsigned i = 0; i < 256; i++) {
        const uint8_t byte = (uint8_t)i;
        EXPECT(slot_crc16(bytes_of(&byte, 1)) == slow_crc16(&byte, 1));
    }
    struct prng prng;
    prng_init(&prng, 7);
    for (int i = 0; i < 1000; i++) {
        uint8_t data[40];
        const size_t size = prng_below(&prng, sizeof data + 1);
        for (size_t j = 0; j < size; j++) {
            data[j] = (uint8_t)prng_next(&prng);
        }
        EXPECT(slot_crc16(bytes_of(data, size)) == slow_crc16(data, size));
    }
}

/* Values given by CLUSTER KEYSLOT of redis-server 7.0. */
TEST(slots_are_those_of_redis_cluster)
{
    EXPECT(slot_of_text("foo") == 12182);
    EXPECT(slot_of_text("bar") == 5061);
    EXPECT(slot_of_text("hello") == 866);
    EXPECT(slot_of_text("123456789") == 12739);
    EXPECT(slot_of_text("") == 0);
}

TEST(only_the_first_hash_tag_is_hashed)
{
    EXPECT(slot_of_text("{user1000}.following") == slot_of_text("{user1000}.followers"));
    EXPECT(slot_of_text("a{foo}b") == slot_of_text("foo"));
    EXPECT(slot_of_text("foo{{bar}}zap") == slot_of_text("{bar"));
    EXPECT(slot_of_text("foo{bar}{zap}") == slot_of_text("bar"));
    EXPECT(slot_of_text("}{foo}") == slot_of_text("foo"));
}

TEST(an_empty_or_open_tag_is_no_tag)
{
    const char *whole[] = {"foo{}{bar}", "{}", "{", "}", "foo{bar", "foo}bar{", "a{"};
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        const struct bytes key = bytes_of_text(whole[i]);
        EXPECT(slot_of_key(key) == slot_crc16(key) % SLOT_COUNT);
    }
}

TEST(keys_are_bytes_not_texts)
{
    EXPECT(slot_of_key(bytes_of("a\0b", 3)) != slot_of_key(bytes_of("a", 1)));
    EXPECT(slot_of_key(bytes_of("{a\0}x", 5)) == slot_of_key(bytes_of("a\0", 2)));
}

TEST_MAIN(CASE(the_checksum_is_xmodem),
          CASE(the_table_agrees_with_the_polynomial),
          CASE(slots_are_those_of_redis_cluster),
          CASE(only_the_first_hash_tag_is_hashed),
          CASE(an_empty_or_open_tag_is_no_tag),
          CASE(keys_are_bytes_not_texts))
