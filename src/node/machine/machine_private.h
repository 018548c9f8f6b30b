/* What the files of the state machine share: typed access to keys, and one function per operation.
 */
#ifndef Q_NODE_MACHINE_MACHINE_PRIVATE_H
#define Q_NODE_MACHINE_MACHINE_PRIVATE_H

#include "node/machine/machine.h"

/* A value read through the overlay; release with value_release. */
struct value {
    bool exists;
    uint8_t type;
    struct bytes contents; /* Behind the header. */
    hlc_time hlc;
    struct engine_value pinned;
    bool is_pinned;
};

int value_read_at(struct machine *machine, struct bytes storage_key, struct value *out_value);
int value_read(struct machine *machine, struct bytes key, struct value *out_value);
void value_release(struct machine *machine, struct value *value);
/* The stored bytes of any storage key, no header expected: contents is the whole. */
int row_read(struct machine *machine, struct bytes storage_key, struct value *out_value);

void string_write(struct machine *machine, struct bytes key, struct bytes contents);
/* Removes a key that exists, its elements included. */
void key_remove(struct machine *machine, struct bytes key, const struct value *value);
void reply_wrong_type(struct buf *reply);

/* Operations: each appends exactly one reply. Q_OK or the engine's error. */
int string_get(struct machine *machine, const struct request *request, struct buf *reply);
int string_set(struct machine *machine, const struct request *request, struct buf *reply);
int string_append(struct machine *machine, const struct request *request, struct buf *reply);
int string_length(struct machine *machine, const struct request *request, struct buf *reply);
int string_range(struct machine *machine, const struct request *request, struct buf *reply);
int string_increment(struct machine *machine, const struct request *request, struct buf *reply);
int string_get_many(struct machine *machine, const struct request *request, struct buf *reply);
int string_set_many(struct machine *machine, const struct request *request, struct buf *reply);
int list_push(struct machine *machine, const struct request *request, struct buf *reply);
int list_pop(struct machine *machine, const struct request *request, struct buf *reply);
int list_range(struct machine *machine, const struct request *request, struct buf *reply);
int list_length(struct machine *machine, const struct request *request, struct buf *reply);
void list_remove_elements(struct machine *machine, struct bytes key, const struct value *value);
int key_delete(struct machine *machine, const struct request *request, struct buf *reply);
int key_exists(struct machine *machine, const struct request *request, struct buf *reply);
int key_type(struct machine *machine, const struct request *request, struct buf *reply);
int key_scan(struct machine *machine, const struct request *request, struct buf *reply);

/* Idempotency ids. `out_answered`: a reply was appended, from the row or as a refusal; do nothing.
 */
int ids_lookup(struct machine *machine,
               const struct request *request,
               struct buf *reply,
               bool *out_answered);
int ids_remember(struct machine *machine, const struct request *request, struct bytes reply);

#endif
