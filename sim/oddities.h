/* Requests that no history holds: what is refused, what is rare, what is too large.
 *
 * They change only keys that begin with 'o', which equal states and not histories are judged by.
 * Some get an answer that must be an error, the others any answer of a good form. */
#ifndef Q_SIM_ODDITIES_H
#define Q_SIM_ODDITIES_H

#include "base/os/buf.h"
#include "base/prng.h"
#include "sim/resp_reader.h"

/* Numbers are from 1; 0 is no oddity. */
uint8_t oddity_draw(struct prng *prng);
/* The command as a client would send it. */
void oddity_encode(uint8_t oddity, struct buf *out);
/* Whether it may be answered like this. */
bool oddity_accepts(uint8_t oddity, const struct resp_reply *reply);
/* The command as text, for traces and reports. */
const char *oddity_text(uint8_t oddity);

#endif
