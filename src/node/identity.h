/* The identity file: who this data directory is, and which cluster it belongs to.
 *
 * It is written when the directory is new (with the nonce, before the first hello), when the map
 * is known, and at every start (incarnation). Each time as a whole: a new file is synced and
 * renamed over the old one, so a crash leaves the old or the new content, never a mixture. An
 * empty directory never resumes an old identity: the nonce is the proof. Format:
 * docs/formats/identity.md.
 */
#ifndef Q_NODE_IDENTITY_H
#define Q_NODE_IDENTITY_H

#include "core/cluster/map.h"
#include "store/file.h"

#define IDENTITY_PATH     "identity"
#define IDENTITY_PATH_NEW "identity.new"

struct identity {
    uint64_t nonce;                 /* Drawn once per directory; not 0. */
    uint64_t incarnation;           /* Starts of this directory, the current one included. */
    node_id self;                   /* NODE_NONE while there is no map. */
    struct cluster_address address; /* Own peer address. */
    struct cluster_map map;         /* version 0 = none yet. */
};

/* Q_OK; Q_ENOTFOUND: the directory is new; Q_ECORRUPT: damaged or of an unknown format version,
 * never to be overwritten by us; Q_EIO. */
int identity_load(struct files *files, struct identity *out_identity);

/* Durable when it returns Q_OK. Q_EIO, Q_ENOSPC: the old content stays. */
int identity_store(struct files *files, const struct identity *identity);

#endif
