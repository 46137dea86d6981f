/* sockets.h: connected sockets for the C tests: real ones, over loopback. */
#ifndef TINYGRAM_TEST_SOCKETS_H
#define TINYGRAM_TEST_SOCKETS_H

#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "net.h"
#include "sockopt.h"

/* A connected pair of `family`, each end made with its own options (may be NULL): ends[0] connected, ends[1] accepted
 * it. Returns 0, or -1 with an error. */
static inline int
connect_pair(int family, const struct sockopt_values *sender, const struct sockopt_values *receiver, int ends[2])
{
    struct endpoint at, bound, peer;

    if (net_resolve(NULL, 0, family, &at) != 0)
        return -1;
    int listener = net_listen(&at, receiver, 8, &bound);
    if (listener < 0)
        return -1;
    ends[0] = net_connect(&bound, sender, clock_deadline_ns(5 * NS_PER_S));
    if (ends[0] >= 0)
        REQUIRE((ends[1] = net_accept(listener, &peer)) >= 0);
    close(listener);
    return ends[0] >= 0 ? 0 : -1;
}

static inline void
close_pair(const int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

#endif
