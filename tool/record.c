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

void
record_write_workload(struct json *json, const struct trial *trial)
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

void
record_write_setting(struct json *json, const struct trial *trial)
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
write_connections(struct json *json, const struct trial *trial)
{
    json_open_array(json, "connections");
    for (uint64_t i = 0; i < trial->connections; i++) {
        const struct end *sender = trial->sender != NULL ? &trial->sender[i] : NULL;
        const struct end *receiver = &trial->receiver[i];
        struct span span = result_of_connection(trial, i);
        json_open_object(json, NULL);
        record_write_span(json, NULL, &span);
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
    record_write_workload(&json, trial);
    record_write_setting(&json, trial);
    record_write_result(&json, trial, result);
    write_connections(&json, trial);
    json_open_object(&json, "tcp_info");
    write_tcp_info(&json, "sender", trial->sender);
    write_tcp_info(&json, "receiver", trial->receiver);
    json_close_object(&json);
    machine_write(&json);
    json_close_object(&json);
    json_end(&json);
}
