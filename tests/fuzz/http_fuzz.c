/* libFuzzer target: HTTP requests. Parsed in one piece and in pieces chosen by the first byte, from
 * fresh memory each time: both must give the same requests. */
#include "base/check.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/prng.h"
#include "wire/http.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BODY_MAX ((size_t)1 << 20)

static uint64_t hash_request(uint64_t hash, const struct http_request *request)
{
    const uint64_t flags =
        (uint64_t)request->method << 2 | (uint64_t)request->keep_alive << 1 | request->minor;
    hash = hash_bytes_seeded(bytes_of(&flags, sizeof flags), hash);
    hash = hash_bytes_seeded(request->path, hash + request->path.size);
    hash = hash_bytes_seeded(request->query, hash + request->query.size);
    hash = hash_bytes_seeded(request->host, hash + request->host.size);
    hash = hash_bytes_seeded(request->body, hash + request->body.size);
    for (size_t i = 0; i < request->header_count; i++) {
        hash = hash_bytes_seeded(request->headers[i].name, hash + request->headers[i].name.size);
        hash = hash_bytes_seeded(request->headers[i].value, hash + request->headers[i].value.size);
    }
    return hash;
}

static int parse_one(struct bytes in, struct prng *prng, size_t *out_consumed, uint64_t *hash)
{
    static struct http_parser parser;
    static struct http_request request;
    http_parser_init(&parser, BODY_MAX);
    uint8_t *data = NULL;
    size_t given = 0;
    int result = Q_EAGAIN;
    while (result == Q_EAGAIN && given < in.size) {
        const size_t left = in.size - given;
        const size_t piece =
            prng == NULL ? left : (size_t)prng_between(prng, 1, left < 40 ? left : 40);
        uint8_t *copy = malloc(given + piece);
        Q_CHECK(copy != NULL);
        if (given > 0) {
            memcpy(copy, data, given);
        }
        memcpy(copy + given, in.data + given, piece);
        free(data);
        data = copy;
        given += piece;
        result = http_parse(&parser, data, given, &request, out_consumed);
        if (result == Q_OK) {
            Q_CHECK(*out_consumed > 0 && *out_consumed <= given);
            *hash = hash_request(*hash, &request);
        } else if (result != Q_EAGAIN) {
            Q_CHECK(parser.status >= 400 && parser.error != NULL);
        }
    }
    free(data);
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
    const bool refused = result != Q_OK && result != Q_EAGAIN;
    return hash_bytes_seeded(bytes_of(&refused, sizeof refused), hash + in.size);
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
