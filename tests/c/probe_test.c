/* probe_test.c: borders are found where the kernel has them. */
#define _GNU_SOURCE
#include "probe.h"

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "check.h"

static void
borders_are_found(void)
{
    struct probe_option option = {"TCP_KEEPCNT", SOCK_STREAM, IPPROTO_TCP, TCP_KEEPCNT, PROBE_NUMBER, ""};
    struct probe_found found;

    CHECK(probe_try(&option, &found) == 0);
    CHECK(found.readable && found.span_count == 1 && found.refused_count == 2);
    CHECK(found.span[0].lowest.value == 1 && found.span[0].highest.value == 127);
    CHECK(found.refused[0].value == 0 && found.refused[1].value == 128);
    CHECK(strcmp(probe_errno(found.refused[1].code), "EINVAL") == 0);
}

static void
a_hole_is_two_spans(void)
{
    struct probe_option option = {"IP_TTL", SOCK_STREAM, IPPROTO_IP, IP_TTL, PROBE_NUMBER, ""};
    struct probe_found found;

    CHECK(probe_try(&option, &found) == 0);
    CHECK(found.span_count == 2 && found.refused_count == 3); /* -1, 1 to 255; 0 stands between */
    CHECK(found.span[0].highest.value == -1 && found.span[1].lowest.value == 1);
    CHECK(found.effect[0].value == 1 && found.effect[0].got == 1);
}

static void
everything_and_nothing(void)
{
    struct probe_option all = {"SO_SNDBUF", SOCK_STREAM, SOL_SOCKET, SO_SNDBUF, PROBE_NUMBER, ""};
    struct probe_option none = {"SO_TYPE", SOCK_DGRAM, SOL_SOCKET, SO_TYPE, PROBE_NUMBER, ""};
    struct probe_found found;

    CHECK(probe_try(&all, &found) == 0);
    CHECK(found.span_count == 1 && found.refused_count == 0);
    CHECK(found.span[0].lowest.value == INT_MIN && found.span[0].highest.value == INT_MAX);
    CHECK(found.effect[0].value == 1 && found.effect[0].got > 1);
    CHECK(probe_try(&none, &found) == 0);
    CHECK(found.readable && found.value == 2 && found.span_count == 0 && found.refused_count == 1);
}

static void
words_are_tried(void)
{
    struct probe_option name = {"TCP_CONGESTION", SOCK_STREAM, IPPROTO_TCP, TCP_CONGESTION, PROBE_NAME, ""};
    struct probe_option address = {"IP_MULTICAST_IF", SOCK_DGRAM, IPPROTO_IP, IP_MULTICAST_IF, PROBE_ADDRESS, ""};
    struct probe_found found;

    CHECK(probe_try(&name, &found) == 0);
    CHECK(found.span_count == 1 && strcmp(found.span[0].lowest.text, found.text) == 0);
    CHECK(found.refused_count == 1 && strcmp(found.refused[0].text, "no-such-name") == 0);
    CHECK(probe_try(&address, &found) == 0);
    CHECK(strcmp(found.text, "0.0.0.0") == 0 && found.refused_count == 1);
}

int
main(void)
{
    borders_are_found();
    a_hole_is_two_spans();
    everything_and_nothing();
    words_are_tried();
    return check_end();
}
