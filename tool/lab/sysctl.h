/*
 * sysctl.h: the settings of the kernel on which an entry depends. Its row names them; every attempt notes what it
 * found, in its own network namespace, and what it set, so that a verdict never stands without them.
 */
#ifndef TINYGRAM_LAB_SYSCTL_H
#define TINYGRAM_LAB_SYSCTL_H

#include <stddef.h>

#include "lab/case.h"

/* The next name in a list such as "net.ipv4.tcp_rmem net.core.rmem_max", and `list` behind it; false at its end. */
bool lab_sysctl_next(const char **list, char *name, size_t size);

/* The value of sysctl `name` as this process sees it, with blanks between several numbers. Returns `text`, or NULL when
 * this kernel has none of that name. */
const char *lab_sysctl_read(const char *name, char *text, size_t size);

/* Notes the sysctls of the attempt's entry. Called again in a network namespace: what is not to be seen there keeps the
 * value that was noted before. */
void lab_sysctl_note(struct lab_case *lab);

/* The attempt has set `path`, such as /proc/sys/net/ipv4/tcp_rmem, to `value`. */
void lab_sysctl_changed(struct lab_case *lab, const char *path, const char *value);

#endif
