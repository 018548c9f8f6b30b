/* Every limit of the system, with the reason for its size. Each has a test on it and one past it.
 *
 * Limits a user may change are defaults here and options in server/options.
 */
#ifndef Q_BASE_LIMITS_H
#define Q_BASE_LIMITS_H

#include <stddef.h>

/* Nodes in the static list = voters of the one group. Raft gains nothing past 7. */
#define NODES_MAX 7

/* Client data. 2 MiB is the default value limit of the design; 16 MiB what a setting may allow. */
#define KEY_SIZE_MAX        ((size_t)16 * 1024)
#define VALUE_SIZE_DEFAULT  ((size_t)2 * 1024 * 1024)
#define VALUE_SIZE_MAX      ((size_t)16 * 1024 * 1024)
#define REQUEST_ID_SIZE_MAX ((size_t)56)               /* <unix ms>-<up to 40 characters> */
#define REQUEST_ARGS_MAX    ((size_t)1 << 16)          /* Arguments of one command, e.g. MSET. */
#define REQUEST_SIZE_MAX    ((size_t)32 * 1024 * 1024) /* All arguments of one command. */
#define INLINE_SIZE_MAX     ((size_t)64 * 1024)        /* An inline command, as Redis. */

/* One AppendEntries message carries at most this, or one entry. */
#define APPEND_SIZE_MAX ((size_t)1024 * 1024)
/* Window of unacknowledged AppendEntries per follower. */
#define INFLIGHT_MESSAGES_MAX 256
#define INFLIGHT_BYTES_MAX    ((size_t)8 * 1024 * 1024)
/* Proposals accepted but not committed, bytes per group: past it clients are told BUSY. */
#define UNCOMMITTED_BYTES_MAX ((size_t)64 * 1024 * 1024)
/* Requests in flight in a node, encoded, in sum: past it clients are told BUSY. Their number alone
 * would let 65,536 of the largest in. */
#define WAITING_BYTES_MAX ((size_t)256 * 1024 * 1024)
/* Messages to peers that wait for the log device: while it hangs each heartbeat adds one. Past it
 * they are lost, as on a network. */
#define GATED_MESSAGES_MAX 4096
/* Entries applied in one go, so that a loop turn stays short. */
#define APPLY_BYTES_MAX ((size_t)1024 * 1024)
/* Log kept in memory and on disk behind the applied index for followers that lag. */
#define LOG_KEEP_BYTES ((size_t)64 * 1024 * 1024)

/* One frame between nodes: the largest request plus its headers. */
#define FRAME_SIZE_MAX ((size_t)40 * 1024 * 1024)

#endif
