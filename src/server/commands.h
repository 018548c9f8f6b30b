/* The commands of the program that live in server; main.c has the table of all. */
#ifndef Q_SERVER_COMMANDS_H
#define Q_SERVER_COMMANDS_H

#include "server/options.h"

/* argv without program and command. Return the exit code. */
int serve_main(int argc, char *const *argv, char *const *environment);
int dev_main(int argc, char *const *argv, char *const *environment);
int status_main(int argc, char *const *argv, char *const *environment);

/* Their settings; those of serve are in server/config.h. */
extern const struct option_table dev_options;
extern const struct option_table status_options;

/* Writes docs/reference/configuration.md. */
void options_write_reference(FILE *out);

#endif
