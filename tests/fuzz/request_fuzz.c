/* libFuzzer target: requests and replies as peers and the log hold them. What decodes must encode
 * back to the same bytes, and whatever a reply holds, a client must be told exactly one thing. */
#include "base/check.h"
#include "base/err.h"
#include "front/resp_print.h"
#include "node/request.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(struct bytes in)
{
    static struct bytes args[REQUEST_ARGS_MAX];
    struct request request;
    if (request_decode(in, &request, args) != Q_OK) {
        return;
    }
    Q_CHECK(request_encoded_size(&request) == in.size);
    uint8_t *memory = malloc(in.size);
    Q_CHECK(memory != NULL);
    struct writer w = writer_of(memory, in.size);
    request_encode(&request, &w);
    Q_CHECK(!w.failed && memcmp(memory, in.data, in.size) == 0);
    free(memory);
}

static void check_reply(struct bytes in)
{
    for (int shape = SHAPE_PLAIN; shape <= SHAPE_SCAN; shape++) {
        struct buf out = {0};
        resp_print_reply(&out, RESP3, (enum reply_shape)shape, in);
        Q_CHECK(buf_size(&out) >= 3);
        Q_CHECK(memcmp(buf_bytes(&out).data + buf_size(&out) - 2, "\r\n", 2) == 0);
        buf_deinit(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_request(bytes_of(data, size));
    check_reply(bytes_of(data, size));
    return 0;
}
