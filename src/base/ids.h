/* The small identifiers that travel through every layer. */
#ifndef Q_BASE_IDS_H
#define Q_BASE_IDS_H

#include <stdint.h>

/* A node of the cluster: its number in the cluster map, from 1. 0 means "none". Never reused. */
typedef uint32_t node_id;
#define NODE_NONE ((node_id)0)

/* A replication group (a shard); also the stream id of its records in the log. From 1. */
typedef uint32_t group_id;

/* Hybrid logical clock: milliseconds since 1970 << 16 | counter. */
typedef uint64_t hlc_time;
#define HLC_COUNTER_BITS 16

#endif
