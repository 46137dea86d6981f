/* show.c: see show.h. */
#include "show.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "args.h"
#include "clock.h"
#include "config.h"
#include "tcpinfo.h"
#include "units.h"
#include "workload.h"

static const char *
rate(char *text, double value)
{
    return isfinite(value) ? units_format_rate(text, value) : "-";
}

static const char *
count(char *text, uint64_t value)
{
    if (value == MISSING)
        return "-";
    snprintf(text, UNITS_TEXT_BYTES, "%" PRIu64, value);
    return text;
}

static const char *
verdict(const struct trial *trial, const struct result *result)
{
    if (result->verified < 0)
        return trial->verify == VERIFY_OFF ? "not checked" : "not known";
    if (result->verified == 0)
        return "DIFFERS";
    return trial->verify == VERIFY_FULL ? "the same (every byte, XXH3-128)"
                                        : "the sample is the same (1 KiB of every 64 KiB, XXH3-128)";
}

static void
show_option(FILE *stream, const struct trial *trial, enum sockopt option)
{
    const struct sockopt_row *row = sockopt_row(option);
    bool sender = row->end == SOCKOPT_SENDER;
    const struct sockopt_value *asked =
        sender ? &trial->config->sender.of[option] : &trial->config->receiver.of[option];
    const struct end *end = sender ? &trial->sender[0] : &trial->receiver[0];
    const struct sockopt_value *found = &end->half.end.of[option];
    char text[2][UNITS_TEXT_BYTES];

    if (!end->known || !found->known)
        return;
    const char *effect = row->kind == SOCKOPT_TEXT      ? found->text
                         : row->kind == SOCKOPT_BOOLEAN ? (found->number ? "on" : "off")
                                                        : count(text[0], found->number);
    const char *request = !asked->known                  ? "auto"
                          : row->kind == SOCKOPT_TEXT    ? asked->text
                          : row->kind == SOCKOPT_BOOLEAN ? (asked->number ? "on" : "off")
                                                         : count(text[1], asked->number);
    fprintf(stream, "  %-18s %s in effect (asked: %s)\n", row->kernel_name, effect, request);
}

static void
show_duration(FILE *stream, const char *name, const struct quantiles *quantiles)
{
    char text[4][UNITS_TEXT_BYTES];

    if (quantiles->count == 0)
        return;
    fprintf(stream, "  %-18s %s median, %s p99, %s max  (of %" PRIu64 ")\n", name,
            units_format_time(text[0], quantiles->p50), units_format_time(text[1], quantiles->p99),
            units_format_time(text[2], quantiles->max), quantiles->count);
}

/* The first line: what was done. */
static void
show_title(FILE *stream, const struct trial *trial, const struct result *result)
{
    const struct config *config = trial->config;
    char text[2][UNITS_TEXT_BYTES];

    switch (config->workload) {
    case WORKLOAD_EXCHANGE:
        fprintf(stream, "%" PRIu64 " exchanges of %s, %s", result->messages, config->pattern_text,
                args_family(config->family));
        break;
    case WORKLOAD_STREAM:
        fprintf(stream, "stream of %" PRIu64 " messages of %s, %.0f a second, %s", result->messages,
                units_format_size(text[0], config->message_size), config->pacing.rate, args_family(config->family));
        break;
    default:
        fprintf(stream, "transfer of %s in writes of %s by %s, %s",
                result->whole.bytes == MISSING ? "-" : units_format_size(text[0], result->whole.bytes),
                units_format_size(text[1], config->write_size), args_choice("send-with", config->send_with),
                args_family(config->family));
    }
    fprintf(stream, "%s\n", trial->interrupted ? "  (INTERRUPTED: partial)" : "");
}

static void
show_first(FILE *stream, const struct result *result)
{
    char text[3][UNITS_TEXT_BYTES];
    uint64_t least_ns = MISSING, most_ns = 0;

    for (uint64_t i = 0; i < result->first_count; i++) {
        least_ns = clock_earlier_ns(least_ns, result->first_ns[i]);
        most_ns = result->first_ns[i] > most_ns ? result->first_ns[i] : most_ns;
    }
    if (result->first_count > 0)
        fprintf(stream, "  %-18s the first took %s; %s to %s\n", "first exchanges",
                units_format_time(text[0], result->first_ns[0]), units_format_time(text[1], least_ns),
                units_format_time(text[2], most_ns));
}

static void
show_schedule(FILE *stream, const struct result *result)
{
    char text[UNITS_TEXT_BYTES];

    if (result->kept_schedule < 0)
        return;
    show_duration(stream, "  from planned", &result->latency_planned);
    show_duration(stream, "  lateness", &result->lateness);
    if (result->kept_schedule == 0)
        fprintf(stream, "  %-18s NOT kept: one message in a hundred began %s late or more\n", "schedule",
                units_format_time(text, result->lateness.p99));
}

static void
show_split(FILE *stream, const struct trial *trial, const struct result *result)
{
    static const char *const names[SPLIT_PARTS] = {"  in write()", "  hold", "  to the device", "  to the kernel",
                                                   "  waiting for read"};

    if (!trial->config->stamps)
        return;
    if (result->split_writes == 0) {
        fprintf(stream, "  %-18s the kernel gave no timestamps\n", "split");
        return;
    }
    fprintf(stream, "  %-18s %" PRIu64 " writes, %" PRIu64 " of them merged into a later one's segment\n", "split",
            result->split_writes, result->merged_writes);
    for (int part = 0; part < SPLIT_PARTS; part++)
        show_duration(stream, names[part], &result->split[part]);
    show_duration(stream, "  until ACK", &result->until_ack);
}

static void
show_stalls(FILE *stream, const struct result *result)
{
    char text[UNITS_TEXT_BYTES];

    if (result->stalls.count == MISSING)
        return;
    if (result->stalls.count == 0) {
        fprintf(stream, "  %-18s none\n", "stalls");
        return;
    }
    fprintf(stream, "  %-18s %" PRIu64 " sat on a kernel timer, %s in all:\n", "stalls", result->stalls.count,
            units_format_time(text, result->stalls.time_ns));
    for (int i = 0; i < STALL_MECHANISMS; i++)
        if (result->stalls.by_mechanism[i] > 0)
            fprintf(stream, "  %-18s %" PRIu64 " %s\n", "", result->stalls.by_mechanism[i],
                    stall_words((enum stall_mechanism)i));
}

void
show_result(FILE *stream, const struct trial *trial, const struct result *result)
{
    static const enum sockopt shown[] = {SOCKOPT_NODELAY, SOCKOPT_SNDBUF, SOCKOPT_RCVBUF, SOCKOPT_CONGESTION};
    bool transfers = trial->config->workload == WORKLOAD_TRANSFER;
    bool exchanges = trial->config->workload == WORKLOAD_EXCHANGE;
    char text[4][UNITS_TEXT_BYTES];

    show_title(stream, trial, result);
    fprintf(stream, "  %-18s %s  (%s)\n", "goodput", rate(text[0], result->whole.goodput),
            units_format_time(text[1], result->whole.elapsed_ns));
    if (transfers)
        fprintf(stream, "  %-18s %s\n", "content", verdict(trial, result));
    show_duration(stream,
                  exchanges   ? "exchange latency"
                  : transfers ? "chunk latency"
                              : "message latency",
                  &result->latency);
    show_first(stream, result);
    show_schedule(stream, result);
    show_stalls(stream, result);
    if (trial->config->stamps)
        show_split(stream, trial, result);
    else if (transfers) {
        show_duration(stream, "  time in write()", &result->in_write);
        show_duration(stream, "  in flight", &result->in_flight);
    }
    if (transfers)
        fprintf(stream, "  %-18s %s, of which asleep %s\n", "time in write()",
                units_format_time(text[0], result->write_ns), units_format_time(text[1], result->write_blocked_ns));
    fprintf(stream, "  %-18s %s writes, %s reads\n", "calls", count(text[0], result->writes),
            count(text[1], result->reads));
    if (result->data_segments != MISSING)
        fprintf(stream, "  %-18s %s with data, %.0f bytes each, %s retransmitted; MSS %s\n", "segments",
                count(text[0], result->data_segments), result->bytes_per_segment, count(text[1], result->retransmits),
                count(text[2], tcpinfo_get(&trial->sender[0].half.info, "snd_mss")));
    fprintf(stream, "  %-18s %s sender, %s receiver\n", "CPU time", units_format_time(text[0], result->cpu_sender_ns),
            units_format_time(text[1], result->cpu_receiver_ns));
    if (result->writes_dropped != MISSING && result->reads_dropped != MISSING &&
        result->writes_dropped + result->reads_dropped > 0)
        fprintf(stream, "  %-18s %s writes and %s reads did not fit into --events-max; latencies cover the rest\n",
                "events lost", count(text[0], result->writes_dropped), count(text[1], result->reads_dropped));
    if (result->stamps_dropped > 0)
        fprintf(stream, "  %-18s at least %s found no room (--events-max, --send-rcvbuf); the split covers the rest\n",
                "stamps lost", count(text[0], result->stamps_dropped));
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
        show_option(stream, trial, shown[i]);
}

void
show_session(FILE *stream, const struct trial *trial, const struct result *result, const char *peer)
{
    char text[3][UNITS_TEXT_BYTES];

    if (trial->status != STATUS_DONE) {
        fprintf(stream, "%s: %s\n", peer, trial->error);
        return;
    }
    fprintf(stream, "%s: %s in %s, %s, content %s\n", peer, units_format_size(text[0], result->whole.bytes),
            units_format_time(text[1], result->whole.elapsed_ns), rate(text[2], result->whole.goodput),
            verdict(trial, result));
}
