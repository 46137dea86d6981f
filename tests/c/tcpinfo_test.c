/* tcpinfo_test.c: the snapshot holds what the kernel says, and nothing where it says nothing. */
#include "tcpinfo.h"

#include <netinet/in.h>
#include <poll.h>

#include <linux/tcp.h>

#include "check.h"
#include "sockets.h"

static void
the_table_is_sound(void)
{
    CHECK(tcpinfo_count() > 0 && tcpinfo_count() <= TCPINFO_FIELDS_MAX);
    for (int i = 0; i < tcpinfo_count(); i++)
        for (int j = 0; j < i; j++)
            CHECK(strcmp(tcpinfo_name(i), tcpinfo_name(j)) != 0);
}

static void
agrees_with_the_kernel(int family)
{
    char bytes[5000] = {1};
    struct tcpinfo sender, receiver;
    struct tcp_info raw = {0};
    socklen_t len = sizeof raw;
    int ends[2];

    REQUIRE(connect_pair(family, NULL, NULL, ends) == 0);
    REQUIRE(write(ends[0], bytes, sizeof bytes) == (ssize_t)sizeof bytes);
    for (size_t have = 0; have < sizeof bytes;) {
        ssize_t got = read(ends[1], bytes, sizeof bytes);
        REQUIRE(got > 0);
        have += (size_t)got;
    }
    tcpinfo_read(ends[0], &sender);
    tcpinfo_read(ends[1], &receiver);
    REQUIRE(sender.known && receiver.known);
    CHECK_NUMBER(tcpinfo_get(&sender, "bytes_sent"), sizeof bytes);
    CHECK_NUMBER(tcpinfo_get(&receiver, "bytes_received"), sizeof bytes);
    CHECK_NUMBER(tcpinfo_get(&sender, "data_segs_out"), tcpinfo_get(&receiver, "data_segs_in"));
    CHECK_NUMBER(tcpinfo_get(&sender, "state"), 1); /* established */
    CHECK_NUMBER(tcpinfo_get(&sender, "nosuch"), MISSING);

    REQUIRE(getsockopt(ends[0], IPPROTO_TCP, TCP_INFO, &raw, &len) == 0);
    CHECK_NUMBER(tcpinfo_get(&sender, "snd_mss"), raw.tcpi_snd_mss);
    CHECK_NUMBER(tcpinfo_get(&sender, "pmtu"), raw.tcpi_pmtu);
    CHECK_NUMBER(tcpinfo_get(&sender, "total_retrans"), raw.tcpi_total_retrans);
    CHECK_NUMBER(tcpinfo_get(&sender, "segs_out"), raw.tcpi_segs_out);
    CHECK_NUMBER(tcpinfo_get(&sender, "min_rtt_us"), raw.tcpi_min_rtt);
    CHECK_NUMBER(tcpinfo_get(&sender, "snd_ssthresh"), raw.tcpi_snd_ssthresh);
    close_pair(ends);
}

static void
no_bound_is_missing(void)
{
    struct tcpinfo info;
    int ends[2];

    REQUIRE(connect_pair(AF_INET, NULL, NULL, ends) == 0);
    tcpinfo_read(ends[0], &info);
    /* A connection on which nothing came back has no shortest round trip but the handshake's, and none at all at the
     * end that only accepted; the kernel's ~0 must not pass for a number. */
    CHECK(tcpinfo_get(&info, "min_rtt_us") == MISSING || tcpinfo_get(&info, "min_rtt_us") < UINT32_MAX);
    for (int i = 0; i < tcpinfo_count(); i++)
        CHECK(info.field[i] != UINT32_MAX);
    for (int i = tcpinfo_count(); i < TCPINFO_FIELDS_MAX; i++)
        CHECK_NUMBER(info.field[i], MISSING);
    close_pair(ends);
}

static void
nothing_where_there_is_no_tcp(void)
{
    struct tcpinfo info;
    int ends[2];

    REQUIRE(connect_pair(AF_UNIX, NULL, NULL, ends) == 0);
    tcpinfo_read(ends[0], &info);
    CHECK(!info.known);
    CHECK_NUMBER(tcpinfo_get(&info, "snd_mss"), MISSING);
    close_pair(ends);
}

int
main(void)
{
    the_table_is_sound();
    agrees_with_the_kernel(AF_INET);
    agrees_with_the_kernel(AF_INET6);
    no_bound_is_missing();
    nothing_where_there_is_no_tcp();
    return check_end();
}
