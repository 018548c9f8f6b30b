/* What the rows of the command table point at: one function per command or family.
 *
 * `answer_*` print a reply at once. `prepare_*` turn arguments into a request for the node and
 * return false after printing an error. The table has checked the number of arguments.
 */
#ifndef Q_FRONT_RESP_HANDLERS_H
#define Q_FRONT_RESP_HANDLERS_H

#include "front/commands.h"

/* resp_connection.c */
void answer_auth(struct call *call);
void answer_echo(struct call *call);
void answer_hello(struct call *call);
void answer_ping(struct call *call);
void answer_quit(struct call *call);
void answer_reset(struct call *call);
void answer_select(struct call *call);

/* resp_client.c */
void answer_client_getname(struct call *call);
void answer_client_id(struct call *call);
void answer_client_info(struct call *call);
void answer_client_kill(struct call *call);
void answer_client_list(struct call *call);
void answer_client_no_effect(struct call *call);
void answer_client_reply(struct call *call);
void answer_client_setinfo(struct call *call);
void answer_client_setname(struct call *call);
void answer_client_tracking(struct call *call);

/* resp_server.c */
void answer_config_get(struct call *call);
void answer_config_resetstat(struct call *call);
void answer_config_set(struct call *call);
void answer_info(struct call *call);
void answer_time(struct call *call);

/* resp_command.c */
void answer_command(struct call *call);
void answer_command_count(struct call *call);
void answer_command_docs(struct call *call);
void answer_command_getkeys(struct call *call);
void answer_command_info(struct call *call);
void answer_command_list(struct call *call);

/* resp_keys.c */
bool prepare_plain(struct call *call); /* The arguments behind the name, as they are. */
bool prepare_scan(struct call *call);

/* resp_string.c */
bool prepare_decr(struct call *call);
bool prepare_decrby(struct call *call);
bool prepare_getrange(struct call *call);
bool prepare_getset(struct call *call);
bool prepare_incr(struct call *call);
bool prepare_incrby(struct call *call);
bool prepare_mset(struct call *call);
bool prepare_set(struct call *call);
bool prepare_setnx(struct call *call);

/* resp_list.c */
bool prepare_lrange(struct call *call);
bool prepare_pop(struct call *call);

/* Helpers of the families (resp_keys.c). They print the error themselves and return false. */
bool call_integer(struct call *call, struct bytes text, int64_t *out_value);
bool call_syntax_error(struct call *call);

#endif
