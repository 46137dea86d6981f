/*
 * fault.h: a kernel that answers otherwise. What no option, family or sysctl changes is made untrue by an injected
 * fault: the call is answered in the kernel's place (seccomp(2)), for the rest of the attempt.
 */
#ifndef TINYGRAM_LAB_FAULT_H
#define TINYGRAM_LAB_FAULT_H

#include "lab/case.h"

/* From now on setsockopt() of this option is answered with errno value `code` (0: taken), and nothing is set. */
void lab_fault_setsockopt(struct lab_case *lab, int level, int option, int code);

/* From now on socket() for this family returns 0, as if a socket had been made. */
void lab_fault_socket(struct lab_case *lab, int family);

#endif
