/* Names of a connection, shared by CLIENT SETNAME and HELLO SETNAME. */
#ifndef Q_FRONT_RESP_CLIENT_H
#define Q_FRONT_RESP_CLIENT_H

#include "front/resp_session.h"

/* Copies a name of at most CLIENT_NAME_SIZE - 1 printable bytes without blanks, as Redis asks, so
 * that CLIENT LIST stays readable by programs. False when it is not one. */
bool client_name_set(char name[CLIENT_NAME_SIZE], struct bytes value);

#endif
