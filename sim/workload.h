/* What simulated clients ask for, as RESP bytes, and what the answers mean for the history.
 *
 * Four classes of key, told apart by their first letter: registers (r), strings that only grow (a),
 * lists (l), counters (c). Every value, token and element ever written is unique, so that a read
 * names the write it saw.
 */
#ifndef Q_SIM_WORKLOAD_H
#define Q_SIM_WORKLOAD_H

#include "base/os/buf.h"
#include "base/prng.h"
#include "sim/check/history.h"
#include "sim/check/violation.h"
#include "sim/oddities.h"
#include "sim/options.h"
#include "sim/resp_reader.h"

#define WORKLOAD_KEYS_MAX    8 /* Per class. */
#define WORKLOAD_CLASSES     4
#define WORKLOAD_FILLER_KEYS 16
#define WORKLOAD_TEXT_SIZE   4096

enum key_class { KEY_REGISTER, KEY_STRING, KEY_LIST, KEY_COUNTER };

struct operation {
    enum history_kind kind;
    enum key_class class;
    uint32_t key_number;
    char key[8];
    bool is_local;         /* LEVEL local: judged apart, not in the history. */
    uint32_t max_stale_ms; /* MAXSTALE of a local read; 0 = none. */
    uint8_t oddity;        /* Not 0: one of sim/oddities, not in the history. */
    char request_id[64];   /* Empty = none. */
    bool is_repeat;        /* The operation is over; this only asks for its answer again. */
    bool is_closing;       /* A read of the last phase. */
    uint32_t filler_size;  /* Not 0: a large SET of a key that only state hashes judge. */
    bool is_dropped;       /* The selftest: a length is asked for, an append acknowledged. */
    uint32_t attempts;
    bool was_unknown;      /* An earlier attempt may have taken effect. */
    size_t history_number; /* In the history; not for local reads. */
    size_t argument_size;
    size_t expected_size;
    char argument[WORKLOAD_TEXT_SIZE];
    char expected[WORKLOAD_TEXT_SIZE];
};

struct workload {
    struct prng prng;
    uint32_t keys_per_class;
    uint32_t padding_max;
    uint32_t filler_size; /* Of large values; 0 = none. */
    uint64_t unique;      /* Counts values and request ids. */
    uint8_t *owners;      /* Owned: the register each value was drawn for, 255 = none. */
    size_t owner_capacity;
    uint32_t id_percent;
    uint32_t local_percent;
    uint32_t odd_percent;
    bool ids_lag;
    uint32_t class_weight[WORKLOAD_CLASSES];
    /* A value recently written to each register, for SET IFEQ. */
    char recent[WORKLOAD_KEYS_MAX][WORKLOAD_TEXT_SIZE];
    size_t recent_size[WORKLOAD_KEYS_MAX];
};

void workload_init(struct workload *workload, uint64_t seed, const struct sim_options *options);
void workload_deinit(struct workload *workload);
/* Draws an operation. `wall_ms` and `client` go into its request id, when it has one. */
void workload_draw(struct workload *workload,
                   struct operation *out,
                   uint32_t client,
                   uint64_t wall_ms);
/* The closing read of the key number `key` (< workload_key_count). */
void workload_closing(const struct workload *workload, struct operation *out, uint32_t key);
uint32_t workload_key_count(const struct workload *workload);
/* The command, as an array of bulk strings. */
void operation_encode(const struct operation *operation, struct buf *out);

struct answer {
    enum history_outcome outcome;
    bool absent;
    bool expired;        /* REQIDEXPIRED: no use in trying again with this id. */
    struct bytes result; /* Borrowed from the reply or `digits`. */
    uint8_t digits[20];
};

/* What a reply means. False when no reply of this kind may come for this operation. */
bool operation_answer(const struct operation *operation,
                      const struct resp_reply *reply,
                      struct answer *out);
/* True when this value was drawn for that register. */
bool workload_wrote(const struct workload *workload, const char *key, struct bytes value);
/* The key's number for workload_closing. */
uint32_t workload_key(const struct workload *workload, const char *key);
/* False for what no history holds. */
bool operation_is_judged(const struct operation *operation);
/* The command's name, for traces and reports. */
const char *operation_name(const struct operation *operation);

#endif
