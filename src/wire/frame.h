/* Framing between nodes: how a message body is wrapped on a peer connection.
 *
 * DESIGN
 *
 * A frame is a fixed header and a body. The header names the cluster, the sender and the receiver,
 * so that a node restarted with another node's address, or a node of another cluster, is noticed on
 * the first frame instead of corrupting a log. One checksum covers header and body: TCP's own is
 * 16 bits wide and is recomputed by every middle box, and a flipped bit in a log entry would be
 * replicated faithfully for ever.
 *
 *    0        4    5    6      8        12       16       20          28          36
 *    | magic  | ver|flag| zero | length | from   | to     | cluster   | checksum  | body ...
 *      u32      u8   u8   u16    u32      u32      u32      u64         u64
 *
 * All integers are little endian. docs/formats/frame.md is the full description.
 *
 * OWNERSHIP
 *
 * Pure: nothing is allocated, nothing is copied. The body is sealed where it lies and a parsed
 * frame borrows its body from the input. The transport asks frame_is_for, the node judges cluster.
 */
#ifndef Q_WIRE_FRAME_H
#define Q_WIRE_FRAME_H

#include "base/bytes.h"
#include "base/ids.h"
#include "base/limits.h"

#include <stdbool.h>

#define FRAME_HEADER_SIZE ((size_t)36)
#define FRAME_MAGIC       0x31465251U /* "QRF1" as bytes. */
#define FRAME_VERSION     1U
#define FRAME_BODY_MAX    (FRAME_SIZE_MAX - FRAME_HEADER_SIZE)

struct frame {
    uint8_t flags; /* For the transport; 0 = a message body for the node. */
    uint64_t cluster_id;
    node_id from;
    node_id to;
    struct bytes body; /* frame_parse: borrowed from the input. frame_seal ignores it. */
};

/* Writes the header in front of a body that is already in place: `memory` is FRAME_HEADER_SIZE
 * bytes of room followed by the body, `size` bytes together. Returns Q_OK, or Q_ETOOBIG when size
 * exceeds FRAME_SIZE_MAX (then nothing is written). */
int frame_seal(uint8_t *memory, size_t size, const struct frame *frame);

/* Reads the frame at the front of `in`.
 *
 * Q_OK: out_frame is filled and out_consumed is the frame's whole size. Q_EAGAIN: more bytes are
 * needed (nothing of what is there is wrong). Q_EPROTO: not a frame, or a version this program does
 * not speak. Q_ETOOBIG: the announced size exceeds FRAME_SIZE_MAX; told from the header alone, so a
 * caller never buffers towards it. Q_ECORRUPT: the checksum does not match. After any error but
 * Q_EAGAIN the stream has no known frame boundary any more: close the connection. */
int frame_parse(struct bytes in, struct frame *out_frame, size_t *out_consumed);

/* True when node `self` may take the frame: it is for that node and from another one of the
 * cluster's ids 1..peers_max. The receiver closes the connection otherwise. Its cluster id is
 * judged later. */
bool frame_is_for(const struct frame *frame, node_id self, node_id peers_max);

/* Size of the frame at the front of `in` as its header announces it, so that a reader can make room
 * in one step; 0 when the header is not complete or not acceptable. */
size_t frame_announced_size(struct bytes in);

#endif
