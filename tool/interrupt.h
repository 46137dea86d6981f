/*
 * interrupt.h: SIGINT, SIGTERM and SIGHUP end a trial early and in order: the result is written, marked as partial.
 *
 * The handler notes the signal and shuts the watched sockets down (shutdown(2) may be called from a handler), so
 * that a thread that is blocked in read() or write() returns. There is no moment between looking at a flag and
 * blocking in which a signal could be lost. A second signal later than at once
 * ends the process at once.
 */
#ifndef TINYGRAM_INTERRUPT_H
#define TINYGRAM_INTERRUPT_H

#include <stdbool.h>
#include <sys/types.h>

/* Installs the handlers; SIGPIPE is ignored from now on. */
void interrupt_install(void);

/* Interrupts a child process in order (SIGUSR1). A signal to the whole process group may have reached it already: this
 * one never counts as the second. */
void interrupt_pass_on(pid_t process);

/* Leaves SIGINT and SIGTERM to whoever started this process: it will see the connection end. */
void interrupt_leave_to_parent(void);

/* Whether a signal came. */
bool interrupt_seen(void);

/* Shuts `fd` down in the direction `how` (SHUT_RD, SHUT_WR) when a signal comes, or now if one came already.
 * Returns 0, or -1 with an error when too many sockets are watched. */
int interrupt_watch(int fd, int how);

/* Ends the watch; call it before close(fd). */
void interrupt_unwatch(int fd);

#endif
