/* record_result.c: the member "result" of a document: every number that a trial gave. */
#include <inttypes.h>
#include <stdio.h>

#include "args.h"
#include "config.h"
#include "json.h"
#include "record.h"
#include "split.h"
#include "stall.h"
#include "workload.h"

void
record_write_span(struct json *json, const char *name, const struct span *span)
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

void
record_write_result(struct json *json, const struct trial *trial, const struct result *result)
{
    json_open_object(json, "result");
    record_write_span(json, NULL, &result->whole);
    record_write_span(json, "start", &result->start);
    record_write_span(json, "rest", &result->rest);
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
