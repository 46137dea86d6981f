/* record.c: see record.h. */
#include "record.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/socket.h>

#include "args.h"
#include "clock.h"
#include "config.h"
#include "json.h"
#include "machine.h"
#include "pace.h"
#include "sockopt.h"
#include "tcpinfo.h"
#include "version.h"
#include "workload.h"

void
record_write_head(struct json *json, const char *schema)
{
    json_text(json, "schema", schema);
    json_text(json, "version", TINYGRAM_VERSION);
    json_open_object(json, "build");
    json_text(json, "compiler", TINYGRAM_COMPILER);
    json_text(json, "flags", TINYGRAM_CFLAGS);
    json_close_object(json);
}

void
record_write_build(struct json *json)
{
    record_write_head(json, "tinygram/1");
}

void
record_write_command(struct json *json, const struct config *config)
{
    json_open_array(json, "command");
    for (int i = 0; i < config->argc; i++)
        json_text(json, NULL, config->argv[i]);
    json_close_array(json);
}

void
record_write_started(struct json *json, const struct timespec *started)
{
    struct tm utc;
    char stamp[40];
    char text[64];

    gmtime_r(&started->tv_sec, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, sizeof text, "%s.%06ldZ", stamp, started->tv_nsec / 1000);
    json_text(json, "started_at", text);
}

static void
write_workload(struct json *json, const struct trial *trial)
{
    const struct config *config = trial->config;
    bool sends = trial->sender != NULL;

    json_open_object(json, "workload");
    bool transfers = config->workload == WORKLOAD_TRANSFER;
    const struct pacing *pacing = &config->pacing;
    json_text(json, "name", workload_of((enum workload_kind)config->workload)->name);
    json_text(json, "pattern", config->pattern_text);
    json_count(json, "outstanding", config->pattern_text != NULL ? config->pattern.outstanding : MISSING);
    json_count(json, "message_size", config->stream_text != NULL ? config->message_size : MISSING);
    json_count(json, "count", transfers ? MISSING : pacing->count);
    json_real(json, "rate_per_s", pacing->rate > 0 ? pacing->rate : (double)NAN);
    json_text(json, "schedule",
              pacing->rate <= 0                    ? NULL
              : pacing->schedule == SCHEDULE_BURST ? "burst"
                                                   : args_choice("schedule", pacing->schedule));
    json_count(json, "burst", pacing->rate > 0 && pacing->schedule == SCHEDULE_BURST ? pacing->burst : MISSING);
    json_count(json, "think_min_ns", pacing->think_max_ns > 0 ? pacing->think_min_ns : MISSING);
    json_count(json, "think_max_ns", pacing->think_max_ns > 0 ? pacing->think_max_ns : MISSING);
    json_text(json, "source", !sends ? NULL : config->file != NULL ? "file" : "memory");
    json_text(json, "file", config->file);
    json_count(json, "source_bytes", trial->source_bytes);
    json_count(json, "repeat", sends ? config->repeat : MISSING);
    json_count(json, "duration_ns", config->duration_ns);
    json_count(json, "bytes", trial->stream_bytes);
    json_count(json, "write_size", sends && transfers ? config->write_size : MISSING);
    json_count(json, "read_size", config->read_size);
    json_text(json, "send_with", sends ? args_choice("send-with", config->send_with) : NULL);
    json_count(json, "connections", config->connections);
    json_close_object(json);
}

/* One option's value; `absent` stands for one that is not known: "auto" for a request, NULL (null) for an effect. */
static void
write_option(struct json *json, enum sockopt option, const struct sockopt_value *value, const char *absent)
{
    const struct sockopt_row *row = sockopt_row(option);

    if (!value->known)
        json_text(json, row->name, absent);
    else if (row->kind == SOCKOPT_TEXT)
        json_text(json, row->name, value->text);
    else if (row->kind == SOCKOPT_BOOLEAN)
        json_boolean(json, row->name, value->number != 0);
    else
        json_count(json, row->name, value->number);
}

static void
write_options(struct json *json, const char *name, const struct sockopt_values *values, const char *absent)
{
    if (values == NULL) {
        json_null(json, name);
        return;
    }
    json_open_object(json, name);
    for (int option = 0; option < SOCKOPT_COUNT; option++)
        write_option(json, option, &values->of[option], absent);
    json_close_object(json);
}

/* The first connection's options; the others were requested alike and proved alike. */
static void
write_effective(struct json *json, const char *name, const struct end *ends)
{
    bool known = ends != NULL && ends[0].known;

    json_open_object(json, name);
    write_options(json, "start", known ? &ends[0].half.start : NULL, NULL);
    write_options(json, "end", known ? &ends[0].half.end : NULL, NULL);
    json_close_object(json);
}

static void
write_cpu(struct json *json, const char *name, int cpu)
{
    if (cpu == CPU_ANY) {
        json_null(json, name);
        return;
    }
    json_open_array(json, name);
    json_count(json, NULL, (uint64_t)cpu);
    json_close_array(json);
}

static void
write_setting(struct json *json, const struct trial *trial)
{
    const struct config *config = trial->config;
    bool sends = trial->sender != NULL;
    bool serves = strcmp(trial->role, "send") != 0;

    json_open_object(json, "setting");
    json_open_object(json, "requested");
    write_options(json, "sender", sends ? &config->sender : NULL, "auto");
    write_options(json, "receiver", &config->receiver, "auto");
    json_close_object(json);
    json_open_object(json, "effective");
    write_effective(json, "sender", trial->sender);
    write_effective(json, "receiver", trial->receiver);
    json_close_object(json);
    json_text(json, "family", args_family(config->family));
    json_text(json, "cpus", sends ? config->cpus_text : NULL);
    json_open_object(json, "placement");
    write_cpu(json, "sender", config->cpus.sender);
    write_cpu(json, "receiver", config->cpus.receiver);
    json_close_object(json);
    json_text(json, "sched", args_choice("sched", config->sched));
    json_text(json, "wait", args_choice("wait", config->wait));
    json_text(json, "concurrency", serves ? args_choice("concurrency", config->concurrency) : NULL);
    json_text(json, "verify", args_choice("verify", config->verify));
    json_boolean(json, "log", config->log);
    json_boolean(json, "stamps", config->stamps);
    json_boolean(json, "rearm_quickack", config->rearm_quickack);
    json_text(json, "rcvbuf_when", config->rcvbuf_late ? "accept" : "listen");
    json_count(json, "events_max", config->events_max);
    json_count(json, "sample_every_ns", config->sample_every_ns);
    json_count(json, "timeout_ns", config->timeout_ns);
    json_count(json, "seed", sends ? config->seed : MISSING);
    json_close_object(json);
}

static void
write_span(struct json *json, const char *name, const struct span *span)
{
    if (name != NULL)
        json_open_object(json, name);
    json_count(json, "bytes", span->bytes);
    json_count(json, "elapsed_ns", span->elapsed_ns);
    json_real(json, "goodput_bytes_per_s", span->goodput);
    if (name != NULL)
        json_close_object(json);
}

static void
write_quantiles(struct json *json, const char *name, const struct quantiles *quantiles)
{
    if (quantiles->count == 0) {
        json_null(json, name);
        return;
    }
    json_open_object(json, name);
    json_count(json, "count", quantiles->count);
    json_count(json, "min", quantiles->min);
    json_real(json, "mean", quantiles->mean);
    json_count(json, "p50", quantiles->p50);
    json_count(json, "p90", quantiles->p90);
    json_count(json, "p99", quantiles->p99);
    json_count(json, "p999", quantiles->p999);
    json_count(json, "max", quantiles->max);
    json_boolean(json, "exact", quantiles->exact);
    json_open_array(json, "curve");
    for (size_t i = 0; i < quantiles->curve_points; i++) {
        json_open_array(json, NULL);
        json_real(json, NULL, quantiles->curve[i].quantile);
        json_count(json, NULL, quantiles->curve[i].value_ns);
        json_close_array(json);
    }
    json_close_array(json);
    json_close_object(json);
}

static void
write_digest(struct json *json, const char *name, const struct end *end)
{
    char text[40];

    if (end == NULL || !end->known || end->half.checked_bytes == MISSING) {
        json_null(json, name);
        return;
    }
    snprintf(text, sizeof text, "%016" PRIx64 "%016" PRIx64, end->half.digest_high, end->half.digest_low);
    json_text(json, name, text);
}

static void
write_verify(struct json *json, const struct trial *trial, const struct result *result)
{
    if (result->verified < 0)
        json_null(json, "verified");
    else
        json_boolean(json, "verified", result->verified == 1);
    json_open_object(json, "verify");
    json_text(json, "mode", args_choice("verify", trial->verify));
    json_text(json, "where", result->checked_inline < 0 ? NULL : result->checked_inline ? "inline" : "after");
    json_count(json, "checked_bytes", result->checked_bytes);
    write_digest(json, "digest_sender", trial->sender);
    write_digest(json, "digest_receiver", trial->receiver);
    json_close_object(json);
}

static void
write_events_account(struct json *json, const struct result *result)
{
    json_open_object(json, "events");
    json_open_object(json, "sender");
    json_count(json, "recorded", result->writes_recorded);
    json_count(json, "dropped", result->writes_dropped);
    json_count(json, "stride", result->writes_stride);
    json_close_object(json);
    json_open_object(json, "receiver");
    json_count(json, "recorded", result->reads_recorded);
    json_count(json, "dropped", result->reads_dropped);
    json_close_object(json);
    json_close_object(json);
    json_open_object(json, "samples");
    json_count(json, "sender", result->samples_sender);
    json_count(json, "receiver", result->samples_receiver);
    json_count(json, "dropped", result->samples_dropped);
    json_close_object(json);
}

/* The first exchanges, one by one; null for other workloads. */
static void
write_first(struct json *json, const struct trial *trial, const struct result *result)
{
    if (trial->sender == NULL || trial->config->workload != WORKLOAD_EXCHANGE) {
        json_null(json, "first_exchanges_ns");
        return;
    }
    json_open_array(json, "first_exchanges_ns");
    for (uint64_t i = 0; i < result->first_count; i++)
        json_count(json, NULL, result->first_ns[i]);
    json_close_array(json);
}

static void
write_schedule(struct json *json, const struct result *result)
{
    if (result->kept_schedule < 0) {
        json_null(json, "schedule");
        return;
    }
    json_open_object(json, "schedule");
    json_boolean(json, "kept", result->kept_schedule == 1);
    write_quantiles(json, "lateness_ns", &result->lateness);
    write_quantiles(json, "latency_planned_ns", &result->latency_planned);
    json_close_object(json);
}

/* Where the time of the typical write of one kind went; null where there is none. */
static void
write_typical(struct json *json, const char *name, const struct split_typical *typical)
{
    if (typical->writes == 0) {
        json_null(json, name);
        return;
    }
    json_open_object(json, name);
    json_count(json, "writes", typical->writes);
    json_count(json, "latency_ns", typical->latency_ns);
    for (int part = 0; part < SPLIT_PARTS; part++)
        json_count(json, split_part_name((enum split_part)part), typical->part[part]);
    json_close_object(json);
}

static void
write_split(struct json *json, const struct trial *trial, const struct result *result)
{
    if (!trial->config->stamps || trial->sender == NULL) {
        json_null(json, "split");
        return;
    }
    json_open_object(json, "split");
    json_count(json, "writes", result->split_writes);
    json_count(json, "without_stamps", result->split_missing);
    json_count(json, "merged", result->merged_writes);
    json_count(json, "unordered", result->unordered_writes);
    json_count(json, "sums_within_1us", result->split_sums);
    json_count(json, "stamps", result->stamps_recorded);
    json_count(json, "stamps_dropped", result->stamps_dropped);
    json_count(json, "clock_error_ns", result->bridge_error_ns);
    json_count(json, "clock_drift_ns", result->bridge_drift_ns);
    for (int part = 0; part < SPLIT_PARTS; part++)
        write_quantiles(json, split_part_name((enum split_part)part), &result->split[part]);
    write_quantiles(json, "until_ack_ns", &result->until_ack);
    write_typical(json, "typical_held", &result->typical[SPLIT_HELD]);
    write_typical(json, "typical_not_held", &result->typical[SPLIT_NOT_HELD]);
    json_close_object(json);
}

static void
write_stalls(struct json *json, const struct result *result)
{
    if (result->stalls.count == MISSING) {
        json_null(json, "stalls");
        return;
    }
    json_open_object(json, "stalls");
    json_count(json, "count", result->stalls.count);
    json_count(json, "time_ns", result->stalls.time_ns);
    json_count(json, "threshold_ns", result->stalls.threshold_ns);
    json_open_object(json, "by_mechanism");
    for (int i = 0; i < STALL_MECHANISMS; i++)
        json_count(json, stall_name((enum stall_mechanism)i), result->stalls.by_mechanism[i]);
    json_close_object(json);
    json_close_object(json);
}

static void
write_result(struct json *json, const struct trial *trial, const struct result *result)
{
    json_open_object(json, "result");
    write_span(json, NULL, &result->whole);
    write_span(json, "start", &result->start);
    write_span(json, "rest", &result->rest);
    write_verify(json, trial, result);
    write_quantiles(json, "latency_ns", &result->latency);
    write_quantiles(json, "in_write_ns", &result->in_write);
    write_quantiles(json, "in_flight_ns", &result->in_flight);
    json_count(json, "writes", result->writes);
    json_count(json, "short_writes", result->short_writes);
    json_count(json, "reads", result->reads);
    json_count(json, "write_ns", result->write_ns);
    json_count(json, "write_blocked_ns", result->write_blocked_ns);
    json_count(json, "run_queue_sender_ns", result->run_queue_sender_ns);
    json_count(json, "run_queue_receiver_ns", result->run_queue_receiver_ns);
    json_count(json, "data_segments", result->data_segments);
    json_count(json, "segments_received", result->segments_received);
    json_count(json, "acks_received", result->acks_received);
    json_real(json, "bytes_per_segment", result->bytes_per_segment);
    json_count(json, "retransmits", result->retransmits);
    json_real(json, "segments_per_message", result->segments_per_message);
    json_count(json, "messages", result->messages);
    json_count(json, "reply_bytes", result->reply_bytes);
    json_count(json, "reply_reads", result->reply_reads);
    json_count(json, "reply_writes", result->reply_writes);
    write_first(json, trial, result);
    write_schedule(json, result);
    write_split(json, trial, result);
    write_stalls(json, result);
    json_count(json, "cpu_sender_ns", result->cpu_sender_ns);
    json_count(json, "cpu_receiver_ns", result->cpu_receiver_ns);
    json_count(json, "switches_sender", result->switches_sender);
    json_count(json, "switches_receiver", result->switches_receiver);
    if (result->zerocopy_completions == MISSING) {
        json_null(json, "zerocopy");
    } else {
        json_open_object(json, "zerocopy");
        json_count(json, "completions", result->zerocopy_completions);
        json_count(json, "copied", result->zerocopy_copied);
        json_close_object(json);
    }
    write_events_account(json, result);
    json_close_object(json);
}

static void
write_connections(struct json *json, const struct trial *trial)
{
    json_open_array(json, "connections");
    for (uint64_t i = 0; i < trial->connections; i++) {
        const struct end *sender = trial->sender != NULL ? &trial->sender[i] : NULL;
        const struct end *receiver = &trial->receiver[i];
        struct span span = result_of_connection(trial, i);
        json_open_object(json, NULL);
        write_span(json, NULL, &span);
        json_count(json, "writes", sender != NULL ? sender->half.calls : MISSING);
        json_count(json, "reads", receiver->known ? receiver->half.calls : MISSING);
        json_count(json, "data_segments", sender != NULL ? tcpinfo_get(&sender->half.info, "data_segs_out") : MISSING);
        json_count(json, "retransmits", sender != NULL ? tcpinfo_get(&sender->half.info, "total_retrans") : MISSING);
        json_close_object(json);
    }
    json_close_array(json);
}

static void
write_tcp_info(struct json *json, const char *name, const struct end *ends)
{
    if (ends == NULL || !ends[0].known || !ends[0].half.info.known) {
        json_null(json, name);
        return;
    }
    json_open_object(json, name);
    for (int i = 0; i < tcpinfo_count(); i++)
        json_count(json, tcpinfo_name(i), ends[0].half.info.field[i]);
    json_close_object(json);
}

void
record_write(FILE *stream, const struct trial *trial, const struct result *result, bool compact)
{
    struct json json = json_begin(stream, compact);

    json_open_object(&json, NULL);
    record_write_build(&json);
    record_write_command(&json, trial->config);
    json_text(&json, "role", trial->role);
    record_write_started(&json, &trial->started);
    json_count(&json, "status", (uint64_t)trial->status);
    json_text(&json, "error", trial->status == STATUS_DONE ? NULL : trial->error);
    json_boolean(&json, "interrupted", trial->interrupted);
    write_workload(&json, trial);
    write_setting(&json, trial);
    write_result(&json, trial, result);
    write_connections(&json, trial);
    json_open_object(&json, "tcp_info");
    write_tcp_info(&json, "sender", trial->sender);
    write_tcp_info(&json, "receiver", trial->receiver);
    json_close_object(&json);
    machine_write(&json);
    json_close_object(&json);
    json_end(&json);
}

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
