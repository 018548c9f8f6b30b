/* libFuzzer target: peer framing. No input may be read past its end, every accepted frame must
 * seal back to the same bytes, and a frame sealed here must parse. */
#include "base/check.h"
#include "base/err.h"
#include "wire/frame.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Seals the input as a body: parsing it back must give the input, so that the fuzzer also reaches
 * the far side of the checksum. */
static void check_round_trip(struct bytes body)
{
    const struct frame header = {
        .flags = (uint8_t)body.size, .cluster_id = body.size, .from = 1, .to = 2};
    const size_t size = FRAME_HEADER_SIZE + body.size;
    uint8_t *memory = malloc(size);
    Q_CHECK(memory != NULL);
    if (body.size > 0) {
        memcpy(memory + FRAME_HEADER_SIZE, body.data, body.size);
    }
    Q_CHECK(frame_seal(memory, size, &header) == Q_OK);
    struct frame frame;
    size_t consumed = 0;
    Q_CHECK(frame_parse(bytes_of(memory, size), &frame, &consumed) == Q_OK);
    Q_CHECK(consumed == size && bytes_equal(frame.body, body));
    Q_CHECK(frame_parse(bytes_of(memory, size - 1), &frame, &consumed) == Q_EAGAIN);
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_of(data, size);
    struct frame frame;
    size_t consumed = 0;
    while (frame_parse(in, &frame, &consumed) == Q_OK) {
        Q_CHECK(consumed >= FRAME_HEADER_SIZE && consumed <= in.size);
        Q_CHECK(frame_announced_size(in) == consumed);
        in = bytes_of(in.data + consumed, in.size - consumed);
    }
    check_round_trip(bytes_of(data, size));
    return 0;
}
