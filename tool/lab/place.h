/*
 * place.h: where an attempt runs: beside other processes, with which privileges, in which namespace, under which
 * sysctls.
 */
#ifndef TINYGRAM_LAB_PLACE_H
#define TINYGRAM_LAB_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lab/case.h"

/* Ends the attempt where /proc is missing: what is read of a process there would look like a process that is gone. */
void lab_need_proc(struct lab_case *lab);

/* A second process, whose state can be read; 0 in the child. It ends with the attempt. */
pid_t lab_fork(struct lab_case *lab);

/* Memory that is shared with processes forked later, zeroed. */
void *lab_shared(struct lab_case *lab, size_t bytes);

/* Waits until process `pid` sleeps in a system call, or is gone. Returns whether it sleeps. */
bool lab_sleeps(pid_t pid, uint64_t limit_ns);

/* The state letter of a process (S, R, Z, ...), 0 when it is gone. */
char lab_process_state(pid_t pid);

/* A socket that hears loopback alone, whatever address it binds; where it may not be confined (before Linux 5.7 only
 * root may), the attempt moves into a network namespace of its own first. */
int lab_confined_socket(struct lab_case *lab, int family, int type);

/* Gives up every privilege for the rest of the attempt: all capabilities, and the user's number too where it is root's
 * and may be changed (a user namespace may have no other). */
void lab_drop_privilege(struct lab_case *lab);

/* Moves the attempt into a network namespace of its own, with loopback up: its sysctls may be set, its counters are
 * nobody else's. */
void lab_namespace(struct lab_case *lab);
void lab_sysctl(struct lab_case *lab, const char *path, const char *value);

#endif
