#include "wire/frame.h"

#include "base/check.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/plant.h"

#define CHECKSUM_OFFSET (FRAME_HEADER_SIZE - 8)

/* The header's hash seeds the body's, so that neither can be exchanged without the other. */
static uint64_t checksum_of(const uint8_t *header, struct bytes body)
{
    return hash_bytes_seeded(body, hash_bytes(bytes_of(header, CHECKSUM_OFFSET)));
}

int frame_seal(uint8_t *memory, size_t size, const struct frame *frame)
{
    Q_CHECK(memory != NULL);
    Q_CHECK(size >= FRAME_HEADER_SIZE);
    if (size > FRAME_SIZE_MAX) {
        return Q_ETOOBIG;
    }
    struct writer w = writer_of(memory, FRAME_HEADER_SIZE);
    write_u32(&w, FRAME_MAGIC);
    write_u8(&w, FRAME_VERSION);
    write_u8(&w, frame->flags);
    write_u16(&w, 0);
    write_u32(&w, (uint32_t)(size - FRAME_HEADER_SIZE));
    write_u32(&w, frame->from);
    write_u32(&w, frame->to);
    write_u64(&w, frame->cluster_id);
    Q_CHECK(writer_size(&w) == CHECKSUM_OFFSET);
    const struct bytes body = bytes_of(memory + FRAME_HEADER_SIZE, size - FRAME_HEADER_SIZE);
    write_u64(&w, checksum_of(memory, body));
    Q_CHECK(!w.failed && writer_size(&w) == FRAME_HEADER_SIZE);
    return Q_OK;
}

/* Reads and judges the header. Q_OK, Q_EAGAIN, Q_EPROTO or Q_ETOOBIG. */
static int parse_header(struct bytes in,
                        struct frame *out_frame,
                        size_t *out_body_size,
                        uint64_t *out_checksum)
{
    struct reader r = reader_of(in);
    /* A peer that speaks something else is refused on its first bytes, however few it sends. */
    if (in.size >= 4 && read_u32(&r) != FRAME_MAGIC) {
        return Q_EPROTO;
    }
    if (in.size >= 5 && read_u8(&r) != FRAME_VERSION) {
        return Q_EPROTO;
    }
    if (in.size < FRAME_HEADER_SIZE) {
        return Q_EAGAIN;
    }
    struct frame frame = {.flags = read_u8(&r)};
    const uint16_t zero = read_u16(&r);
    const uint32_t length = read_u32(&r);
    frame.from = read_u32(&r);
    frame.to = read_u32(&r);
    frame.cluster_id = read_u64(&r);
    *out_checksum = read_u64(&r);
    Q_CHECK(!r.failed);
    if (zero != 0) {
        return Q_EPROTO;
    }
    if (length > FRAME_BODY_MAX) {
        return Q_ETOOBIG;
    }
    *out_frame = frame;
    *out_body_size = length;
    return Q_OK;
}

int frame_parse(struct bytes in, struct frame *out_frame, size_t *out_consumed)
{
    struct frame frame;
    size_t body_size = 0;
    uint64_t checksum = 0;
    const int result = parse_header(in, &frame, &body_size, &checksum);
    if (result != Q_OK) {
        return result;
    }
    if (in.size - FRAME_HEADER_SIZE < body_size) {
        return Q_EAGAIN;
    }
    frame.body = bytes_of(in.data + FRAME_HEADER_SIZE, body_size);
    if (checksum_of(in.data, frame.body) != checksum && !Q_PLANT(FRAMESUM)) {
        return Q_ECORRUPT;
    }
    *out_frame = frame;
    *out_consumed = FRAME_HEADER_SIZE + body_size;
    return Q_OK;
}

bool frame_is_for(const struct frame *frame, node_id self, node_id peers_max)
{
    return frame->to == self && frame->from != NODE_NONE && frame->from <= peers_max &&
           frame->from != self;
}

size_t frame_announced_size(struct bytes in)
{
    struct frame frame;
    size_t body_size = 0;
    uint64_t checksum = 0;
    if (parse_header(in, &frame, &body_size, &checksum) != Q_OK) {
        return 0;
    }
    return FRAME_HEADER_SIZE + body_size;
}
