/* Words of an inline command: Redis' quoting rules (sdssplitargs), as people type them by hand.
 *
 * Words are separated by blanks. "..." understands \n \r \t \b \a \xHH and \ before any other byte;
 * '...' understands only \'. A closing quote must be followed by a blank or the end. Quotes may
 * begin inside a word: a"b c" is one word.
 */
#ifndef Q_WIRE_RESP_INLINE_H
#define Q_WIRE_RESP_INLINE_H

#include "base/bytes.h"

/* Counts the words of a line without its line end. False when quotes are unbalanced. */
bool resp_inline_count(struct bytes line, size_t *out_count);

/* Splits a line that resp_inline_count accepted into its `count` words, decoding quotes in place:
 * a word never becomes longer, so it fits where it lies. Cannot fail. */
void resp_inline_split(uint8_t *line, size_t size, struct bytes *words, size_t count);

#endif
