/*
 * network.h: networks to try things in: an interface that is not loopback, a gateway, a slow link. All of them lie in
 * the attempt's own network namespace (lab_namespace), and nothing that is sent into them is heard by anybody else.
 */
#ifndef TINYGRAM_LAB_NETWORK_H
#define TINYGRAM_LAB_NETWORK_H

#include <stdint.h>

#include "lab/case.h"

/* Makes an interface with the address 192.0.2.1 of the network 192.0.2.0/24 (RFC 5737): a tunnel whose other end is
 * our own descriptor, which nobody reads. Returns its index. */
int lab_tunnel(struct lab_case *lab);

/* Everything that is not in that network goes by the gateway 192.0.2.2, which does not exist. */
void lab_gateway(struct lab_case *lab);

/* Lets loopback carry `rate` bytes a second; what comes faster waits in the queue of the device (tc-tbf(8)). A kernel
 * without that queue: not tried. */
void lab_slow_link(struct lab_case *lab, uint32_t rate);

/* A counter of the namespace, such as "TcpExt" "TCPAutoCorking" of /proc/net/netstat or "Udp" "RcvbufErrors" of
 * /proc/net/snmp; MISSING when there is none. */
uint64_t lab_counter(const char *group, const char *name);

#endif
