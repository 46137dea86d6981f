/* record_text.c: what is written for other programs to read line by line: the events, and the latency distribution. */
#include <inttypes.h>
#include <stdio.h>

#include "clock.h"
#include "config.h"
#include "quantile.h"
#include "record.h"
#include "split.h"
#include "tcpinfo.h"

/* A moment relative to the first write of the trial. */
static int64_t
since(uint64_t at_ns, uint64_t begin_ns)
{
    return (int64_t)(at_ns - begin_ns);
}

static void
write_samples(FILE *stream, const struct event_log *log, const char *end, uint64_t connection, uint64_t begin_ns)
{
    const struct sample *samples = log->entry;

    for (size_t i = 0; i < log->count; i++) {
        fprintf(stream, "%s\t%" PRIu64 "\ttcp_info\t%" PRId64 "\t\t%" PRIu64, end, connection,
                since(samples[i].at_ns, begin_ns), samples[i].offset);
        for (int field = 0; field < tcpinfo_count(); field++) {
            uint64_t value = samples[i].info.known ? samples[i].info.field[field] : MISSING;
            if (value == MISSING)
                fputc('\t', stream);
            else
                fprintf(stream, "\t%" PRIu64, value);
        }
        fputc('\n', stream);
    }
}

/* What all rows of one connection have in common. */
struct row {
    FILE *stream;
    uint64_t connection;
    uint64_t begin_ns;
    bool pads; /* there are columns of TCP_INFO, empty here */
};

/* One row; end_ns MISSING: an empty cell. */
static void
write_row(const struct row *row, const char *end, const char *kind, const struct write_event *event)
{
    fprintf(row->stream, "%s\t%" PRIu64 "\t%s\t%" PRId64 "\t", end, row->connection, kind,
            since(event->before_ns, row->begin_ns));
    if (event->after_ns != MISSING)
        fprintf(row->stream, "%" PRId64, since(event->after_ns, row->begin_ns));
    fprintf(row->stream, "\t%" PRIu64, event->offset);
    for (int field = 0; row->pads && field < tcpinfo_count(); field++)
        fputc('\t', row->stream);
    fputc('\n', row->stream);
}

static void
write_sender_events(const struct row *row, const struct trial *trial)
{
    static const char *const kinds[] = {[STAMP_SCHED] = "sched", [STAMP_DEVICE] = "device", [STAMP_ACK] = "ack"};
    const struct end *sender = &trial->sender[row->connection];
    const struct write_event *exchange = sender->exchanges.entry;
    const struct write_event *write = sender->events.entry;
    const struct stamp *stamp = sender->stamps.entry;

    for (size_t i = 0; i < sender->exchanges.count; i++)
        write_row(row, "sender", "exchange", &exchange[i]);
    for (size_t i = 0; i < sender->events.count; i++)
        write_row(row, "sender", "write", &write[i]);
    for (size_t i = 0; i < sender->stamps.count; i++)
        write_row(row, "sender", kinds[stamp[i].kind],
                  &(struct write_event){.before_ns = split_convert(trial, stamp[i].realtime_ns),
                                        .after_ns = MISSING,
                                        .offset = stamp[i].offset});
}

static void
write_receiver_events(const struct row *row, const struct trial *trial)
{
    const struct event_log *log = &trial->receiver[row->connection].events;
    const struct read_event *read = log->entry;

    for (size_t i = 0; i < log->count; i++) {
        if (read[i].kernel_ns != 0)
            write_row(row, "receiver", "arrive",
                      &(struct write_event){.before_ns = split_convert(trial, read[i].kernel_ns),
                                            .after_ns = MISSING,
                                            .offset = read[i].offset});
        write_row(row, "receiver", "read",
                  &(struct write_event){.before_ns = read[i].after_ns, .after_ns = MISSING, .offset = read[i].offset});
    }
}

void
record_write_events(FILE *stream, const struct trial *trial)
{
    bool samples = trial->config->sample_every_ns != MISSING;
    uint64_t begin_ns = MISSING;

    for (uint64_t i = 0; i < trial->connections; i++)
        begin_ns = clock_earlier_ns(begin_ns, trial->sender[i].half.first_ns);
    fprintf(stream,
            "# tinygram events 1\n"
            "# times: ns of CLOCK_MONOTONIC since the first write; offset_bytes: bytes of the connection so far\n"
            "# write: time_ns before and end_ns after the sending call; read and tcp_info: time_ns after the call\n"
            "# exchange: its beginning and end, offset_bytes is its number, from 1\n"
            "# sched, device, ack: the kernel's stamps of the byte before offset_bytes at the sender; arrive: at the "
            "receiver\n");
    uint64_t ahead_ns = begin_ns - split_convert(trial, begin_ns);
    if (begin_ns != MISSING && ahead_ns != 0) /* so that a capture can be laid beside it */
        fprintf(stream, "# first write: %" PRIu64 ".%09" PRIu64 " s of CLOCK_REALTIME\n",
                (begin_ns + ahead_ns) / NS_PER_S, (begin_ns + ahead_ns) % NS_PER_S);
    fputs("end\tconnection\tkind\ttime_ns\tend_ns\toffset_bytes", stream);
    for (int field = 0; samples && field < tcpinfo_count(); field++)
        fprintf(stream, "\t%s", tcpinfo_name(field));
    fputc('\n', stream);
    for (uint64_t i = 0; i < trial->connections; i++) {
        struct row row = {.stream = stream, .connection = i, .begin_ns = begin_ns, .pads = samples};
        write_sender_events(&row, trial);
        write_samples(stream, &trial->sender[i].samples, "sender", i, begin_ns);
        if (!trial->same_clock) /* another host's times cannot be laid beside these */
            continue;
        write_receiver_events(&row, trial);
        write_samples(stream, &trial->receiver[i].samples, "receiver", i, begin_ns);
    }
}

void
record_write_hgrm(FILE *stream, const struct result *result)
{
    const struct quantiles *latency = &result->latency;

    fprintf(stream, "       Value     Percentile TotalCount 1/(1-Percentile)\n\n");
    for (size_t i = 0; i < latency->curve_points; i++) {
        double quantile = latency->curve[i].quantile;
        uint64_t rank = quantile_rank(quantile, latency->count);
        fprintf(stream, "%12.3f %14.12f %10" PRIu64, (double)latency->curve[i].value_ns / 1e3, quantile, rank);
        if (quantile < 1.0)
            fprintf(stream, " %14.2f", 1.0 / (1.0 - quantile));
        fputc('\n', stream);
    }
    fprintf(stream,
            "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n"
            "#[Max     = %12.3f, Total count    = %12" PRIu64 "]\n"
            "#[Buckets = %12d, SubBuckets     = %12d]\n",
            latency->mean / 1e3, latency->deviation / 1e3, latency->count > 0 ? (double)latency->max / 1e3 : 0.0,
            latency->count, 64, 128);
}
