/* Runs core/cluster/resume for a node: may this process take part, and what peers have promised. */
#ifndef Q_NODE_RESUME_DRIVER_H
#define Q_NODE_RESUME_DRIVER_H

#include "node/node_private.h"

/* The replica has recovered: what it holds is what will be judged. */
void resume_driver_start(struct node *node);
void resume_driver_tick(struct node *node);
void resume_driver_question(struct node *node,
                            node_id from,
                            const struct peer_header *header,
                            struct reader *r);
void resume_driver_answer(struct node *node, node_id from, struct reader *r);
/* Whom it waits for, for status and log. Returns its length. */
size_t resume_driver_text(const struct node *node, char *out, size_t size);
/* Takes note of what the message promises. */
void resume_driver_note(struct node *node, node_id from, const struct raft_message *message);

#endif
