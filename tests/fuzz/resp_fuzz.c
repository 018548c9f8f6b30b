/* libFuzzer target: RESP commands. The input is parsed once in one piece and once in pieces chosen
 * by its own first byte, each time from fresh memory: both must give the same commands. */
#include "base/check.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/prng.h"
#include "wire/resp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t hash_command(uint64_t hash, const struct bytes *args, size_t count)
{
    hash = hash_bytes_seeded(bytes_of(&count, sizeof count), hash);
    for (size_t i = 0; i < count; i++) {
        hash = hash_bytes_seeded(args[i], hash + args[i].size);
    }
    return hash;
}

/* Parses one command from the front of `in`, given in pieces. Returns what the parser said. */
static int parse_one(struct bytes in, struct prng *prng, size_t *out_consumed, uint64_t *hash)
{
    static struct bytes args[REQUEST_ARGS_MAX];
    struct resp_parser parser = {0};
    size_t given = 0;
    int result = Q_EAGAIN;
    while (result == Q_EAGAIN && given < in.size) {
        const size_t left = in.size - given;
        given += prng == NULL ? left : (size_t)prng_between(prng, 1, left < 40 ? left : 40);
        uint8_t *copy = malloc(given);
        Q_CHECK(copy != NULL);
        memcpy(copy, in.data, given);
        const size_t room = prng == NULL ? REQUEST_ARGS_MAX : 2;
        result = resp_parse_command(&parser, copy, given, args, room);
        if (result == Q_ENOMEM) {
            Q_CHECK(parser.arg_count > room && parser.arg_count <= REQUEST_ARGS_MAX);
            result = resp_parse_command(&parser, copy, given, args, parser.arg_count);
        }
        if (result == Q_OK) {
            Q_CHECK(parser.consumed > 0 && parser.consumed <= given);
            *hash = hash_command(*hash, args, parser.arg_count);
            *out_consumed = parser.consumed;
        } else if (result != Q_EAGAIN) {
            *hash = hash_bytes_seeded(bytes_of_text(parser.error), *hash);
        }
        free(copy);
    }
    return result;
}

static uint64_t parse_all(struct bytes in, struct prng *prng)
{
    uint64_t hash = 0;
    int result = Q_OK;
    while (in.size > 0 && result == Q_OK) {
        size_t consumed = 0;
        result = parse_one(in, prng, &consumed, &hash);
        if (result == Q_OK) {
            in = bytes_of(in.data + consumed, in.size - consumed);
        }
    }
    return hash_bytes_seeded(bytes_of(&result, sizeof result), hash + in.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct prng prng;
    prng_init(&prng, data[0]);
    const struct bytes in = bytes_of(data + 1, size - 1);
    Q_CHECK(parse_all(in, NULL) == parse_all(in, &prng));
    return 0;
}
