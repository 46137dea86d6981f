/* tcpinfo.c: see tcpinfo.h. <linux/tcp.h>, because glibc's <netinet/tcp.h> lacks the newer fields. */
#define _GNU_SOURCE
#include "tcpinfo.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/tcp.h>

#include "clock.h"

struct field {
    const char *name;
    size_t offset;
    size_t size;
};

#define FIELD(name, member)                                                                                            \
    {                                                                                                                  \
        name, offsetof(struct tcp_info, member), sizeof(((struct tcp_info *)0)->member)                                \
    }

static const struct field table[] = {
    FIELD("state", tcpi_state),
    FIELD("ca_state", tcpi_ca_state),
    FIELD("retransmits", tcpi_retransmits),
    FIELD("probes", tcpi_probes),
    FIELD("backoff", tcpi_backoff),
    FIELD("options", tcpi_options),
    FIELD("rto_us", tcpi_rto),
    FIELD("ato_us", tcpi_ato),
    FIELD("snd_mss", tcpi_snd_mss),
    FIELD("rcv_mss", tcpi_rcv_mss),
    FIELD("unacked", tcpi_unacked),
    FIELD("sacked", tcpi_sacked),
    FIELD("lost", tcpi_lost),
    FIELD("retrans", tcpi_retrans),
    FIELD("last_data_sent_ms", tcpi_last_data_sent),
    FIELD("last_data_recv_ms", tcpi_last_data_recv),
    FIELD("last_ack_recv_ms", tcpi_last_ack_recv),
    FIELD("pmtu", tcpi_pmtu),
    FIELD("rcv_ssthresh", tcpi_rcv_ssthresh),
    FIELD("rtt_us", tcpi_rtt),
    FIELD("rttvar_us", tcpi_rttvar),
    FIELD("snd_ssthresh", tcpi_snd_ssthresh),
    FIELD("snd_cwnd", tcpi_snd_cwnd),
    FIELD("advmss", tcpi_advmss),
    FIELD("reordering", tcpi_reordering),
    FIELD("rcv_rtt_us", tcpi_rcv_rtt),
    FIELD("rcv_space", tcpi_rcv_space),
    FIELD("total_retrans", tcpi_total_retrans),
    FIELD("pacing_rate_bytes_per_s", tcpi_pacing_rate),
    FIELD("max_pacing_rate_bytes_per_s", tcpi_max_pacing_rate),
    FIELD("bytes_acked", tcpi_bytes_acked),
    FIELD("bytes_received", tcpi_bytes_received),
    FIELD("segs_out", tcpi_segs_out),
    FIELD("segs_in", tcpi_segs_in),
    FIELD("notsent_bytes", tcpi_notsent_bytes),
    FIELD("min_rtt_us", tcpi_min_rtt),
    FIELD("data_segs_in", tcpi_data_segs_in),
    FIELD("data_segs_out", tcpi_data_segs_out),
    FIELD("delivery_rate_bytes_per_s", tcpi_delivery_rate),
    FIELD("busy_time_us", tcpi_busy_time),
    FIELD("rwnd_limited_us", tcpi_rwnd_limited),
    FIELD("sndbuf_limited_us", tcpi_sndbuf_limited),
    FIELD("delivered", tcpi_delivered),
    FIELD("delivered_ce", tcpi_delivered_ce),
    FIELD("bytes_sent", tcpi_bytes_sent),
    FIELD("bytes_retrans", tcpi_bytes_retrans),
    FIELD("dsack_dups", tcpi_dsack_dups),
    FIELD("reord_seen", tcpi_reord_seen),
    FIELD("rcv_ooopack", tcpi_rcv_ooopack),
    FIELD("snd_wnd", tcpi_snd_wnd),
};

#define FIELD_COUNT (sizeof table / sizeof table[0])

_Static_assert(FIELD_COUNT <= TCPINFO_FIELDS_MAX, "a snapshot has no room for the table");

int
tcpinfo_count(void)
{
    return (int)FIELD_COUNT;
}

const char *
tcpinfo_name(int index)
{
    return table[index].name;
}

/* The unsigned integer of `size` bytes at `from`, in this machine's byte order. */
static uint64_t
load(const unsigned char *from, size_t size)
{
    uint8_t byte;
    uint32_t word;
    uint64_t wide;

    switch (size) {
    case sizeof byte:
        memcpy(&byte, from, sizeof byte);
        return byte;
    case sizeof word:
        memcpy(&word, from, sizeof word);
        return word;
    default:
        memcpy(&wide, from, sizeof wide);
        return wide;
    }
}

void
tcpinfo_read(int fd, struct tcpinfo *info)
{
    struct tcp_info raw;
    socklen_t len = sizeof raw;

    info->known = getsockopt(fd, IPPROTO_TCP, TCP_INFO, &raw, &len) == 0;
    if (!info->known)
        return;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const struct field *field = &table[i];
        bool given = field->offset + field->size <= len;
        info->field[i] = given ? load((const unsigned char *)&raw + field->offset, field->size) : MISSING;
        /* All ones is the kernel's word for "no bound". */
        if (given && field->size == sizeof(uint32_t) && info->field[i] == UINT32_MAX)
            info->field[i] = MISSING;
    }
    for (size_t i = FIELD_COUNT; i < TCPINFO_FIELDS_MAX; i++)
        info->field[i] = MISSING;
}

uint64_t
tcpinfo_get(const struct tcpinfo *info, const char *name)
{
    for (size_t i = 0; info->known && i < FIELD_COUNT; i++)
        if (strcmp(table[i].name, name) == 0)
            return info->field[i];
    return MISSING;
}
