/* The commands of the program that live in server; main.c has the table of all. */
#ifndef Q_SERVER_COMMANDS_H
#define Q_SERVER_COMMANDS_H

/* argv without program and command. Return the exit code. */
int serve_main(int argc, char *const *argv, char *const *environment);
int dev_main(int argc, char *const *argv, char *const *environment);
int status_main(int argc, char *const *argv, char *const *environment);

#endif
