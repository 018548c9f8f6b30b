/* base/hash: hashes are stored on disk and sent to peers, so their values may never change. */
#include "base/hash.h"
#include "harness/test.h"

/* Values of XXH3-64 as its specification and other implementations give them. */
TEST(hashes_are_xxh3_for_ever)
{
    EXPECT(hash_bytes(bytes_of_text("")) == 0x2d06800538d394c2u);
    EXPECT(hash_bytes(bytes_of_text("abc")) == 0x78af5f94892f3950u);
}

TEST(a_seed_changes_the_hash_and_seed_zero_does_not)
{
    const struct bytes text = bytes_of_text("quorate");
    EXPECT(hash_bytes_seeded(text, 0) == hash_bytes(text));
    EXPECT(hash_bytes_seeded(text, 1) != hash_bytes(text));
    EXPECT(hash_bytes_seeded(text, 1) != hash_bytes_seeded(text, 2));
}

/* Checksums must notice a single flipped bit, whichever of XXH3's length classes it is in. */
TEST(every_flipped_bit_changes_the_hash)
{
    static uint8_t memory[600];
    const size_t sizes[] = {1, 8, 16, 17, 128, 129, 240, 241, 600};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const uint64_t before = hash_bytes(bytes_of(memory, sizes[i]));
        for (size_t bit = 0; bit < sizes[i] * 8; bit++) {
            memory[bit / 8] ^= (uint8_t)(1u << bit % 8);
            EXPECT(hash_bytes(bytes_of(memory, sizes[i])) != before);
            memory[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        EXPECT(hash_bytes(bytes_of(memory, sizes[i])) == before);
    }
}

TEST_MAIN(CASE(hashes_are_xxh3_for_ever),
          CASE(a_seed_changes_the_hash_and_seed_zero_does_not),
          CASE(every_flipped_bit_changes_the_hash))
