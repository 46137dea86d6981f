/*
 * deaf.h: sockets that hear nothing for a while, so that acknowledgements or data are withheld; and how long this
 * kernel delays an acknowledgement by itself.
 */
#ifndef TINYGRAM_LAB_DEAF_H
#define TINYGRAM_LAB_DEAF_H

#include <stdbool.h>
#include <stdint.h>

#include "lab/case.h"

/* Lets every segment that arrives for this socket be dropped before TCP sees it (SO_ATTACH_FILTER), and ends that: on a
 * sender it withholds acknowledgements, on a receiver the data. */
void lab_deafen(struct lab_case *lab, int fd);
bool lab_may_deafen(struct lab_case *lab);
void lab_hear(struct lab_case *lab, int fd);

/* Lets a sender that was deafened hear again, and the reader answer: every segment carries an acknowledgement. */
void lab_acknowledge(struct lab_case *lab, int sender, int reader);

/* How long the acknowledgement of 100 bytes takes at a receiver that was put into the mode that delays it, and then got
 * `option` set to 1 (0: none). */
uint64_t lab_acknowledged_ns(struct lab_case *lab, int option);

/* What takes longer than this was delayed: half of the time that this kernel delays an acknowledgement, and 20 ms at
 * most. That time is no constant: newer kernels keep it below the least retransmission timeout, which a sysctl or a
 * route sets. */
uint64_t lab_delayed_ns(struct lab_case *lab);

#endif
