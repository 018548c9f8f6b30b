/* libFuzzer target: the decoder of what replicas say to each other. Whatever decodes must be within
 * its limits, borrow only from the input, and encode back to the bytes it came from. */
#include "base/check.h"
#include "base/err.h"
#include "core/raft/message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ENTRIES_MAX ((size_t)4096)

static void check_encodes_back(const struct raft_message *message,
                               const struct raft_entry *entries,
                               struct bytes in)
{
    uint8_t *memory = malloc(in.size + 1);
    Q_CHECK(memory != NULL);
    struct writer w = writer_of(memory, in.size);
    raft_message_encode(message, &w);
    for (size_t i = 0; i < message->entry_count; i++) {
        raft_entry_encode_header(&entries[i], &w);
        const struct bytes payload = entries[i].payload;
        Q_CHECK(payload.size == 0 ||
                (payload.data >= in.data && payload.data + payload.size <= in.data + in.size));
        write_bytes(&w, payload);
    }
    Q_CHECK(!w.failed && writer_size(&w) == in.size);
    Q_CHECK(in.size == 0 || memcmp(memory, in.data, in.size) == 0);
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct raft_entry entries[ENTRIES_MAX];
    const struct bytes in = bytes_of(data, size);
    const size_t announced = raft_message_entry_count(in);
    struct raft_message message;
    const int result = raft_message_decode(in, &message, entries, ENTRIES_MAX);
    Q_CHECK(result == Q_OK || result == Q_EPROTO || result == Q_ETOOBIG);
    if (result == Q_OK) {
        Q_CHECK(message.entry_count <= ENTRIES_MAX && announced == message.entry_count);
        check_encodes_back(&message, entries, in);
    }
    return 0;
}
