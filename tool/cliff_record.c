/* cliff_record.c: see cliff_record.h. Every trial stands in it, none is averaged. */
#include "cliff_record.h"

#include <math.h>

#include "args.h"
#include "clock.h"
#include "json.h"
#include "machine.h"
#include "record.h"
#include "stall.h"

static void
write_evidence(struct json *json, const char *name, const struct evidence *evidence)
{
    if (evidence == NULL) {
        json_null(json, name);
        return;
    }
    json_open_object(json, name);
    json_real(json, "speed", evidence->speed);
    json_count(json, "bytes", evidence->bytes);
    json_count(json, "elapsed_ns", evidence->elapsed_ns);
    json_count(json, "latency_ns", evidence->latency_ns);
    json_count(json, "late_ns", evidence->late_ns);
    json_count(json, "standstills", evidence->standstills);
    json_count(json, "standstill_ns", evidence->standstill_ns);
    json_count(json, "standstill_median_ns", evidence->standstill_median_ns);
    json_count(json, "between_bytes", evidence->between_bytes);
    json_count(json, "longest_hold_ns", evidence->held_ns);
    json_count(json, "longest_ack_ns", evidence->acknowledged_ns);
    json_count(json, "stalls", evidence->stalls);
    bool stalled = evidence->stalls != MISSING && evidence->stalls > 0;
    json_text(json, "stall_mechanism", stalled ? stall_name(evidence->chief) : NULL);
    json_count(json, "data_segments", evidence->segments);
    json_real(json, "bytes_per_segment", evidence->segment_bytes);
    json_count(json, "retransmits", evidence->retransmits);
    json_count(json, "acks_received", evidence->acks);
    json_count(json, "snd_mss_bytes", evidence->snd_mss);
    json_count(json, "rcv_mss_bytes", evidence->rcv_mss);
    json_count(json, "window_bytes", evidence->window_bytes);
    json_count(json, "window_limited_ns", evidence->window_limited_ns);
    json_count(json, "write_blocked_ns", evidence->blocked_ns);
    json_count(json, "cpu_ns", evidence->cpu_ns);
    json_count(json, "sndbuf_bytes", evidence->sndbuf);
    json_count(json, "rcvbuf_bytes", evidence->rcvbuf);
    json_close_object(json);
}

static void
write_shots(struct json *json, const char *name, const struct shots *shots)
{
    json_open_array(json, name);
    for (size_t i = 0; i < shots->count; i++) {
        const struct shot *shot = &shots->shot[i];
        json_open_object(json, NULL);
        json_boolean(json, "probe", shot->probe);
        json_count(json, "status", (uint64_t)shot->status);
        json_text(json, "error", shot->status == STATUS_DONE ? NULL : shot->error);
        write_evidence(json, "evidence", shot->status == STATUS_DONE ? &shot->evidence : NULL);
        json_close_object(json);
    }
    json_close_array(json);
}

/* None, one or two: the slow one first. */
static void
write_modes(struct json *json, const struct modes *modes)
{
    json_open_array(json, "modes");
    for (size_t i = 0; i < modes->count; i++) {
        json_open_object(json, NULL);
        json_real(json, "speed", i == 0 ? modes->slow : modes->fast);
        json_count(json, "trials", i == 0 ? modes->slow_trials : modes->fast_trials);
        json_close_object(json);
    }
    json_close_array(json);
}

static void
write_points(struct json *json, const struct search *search)
{
    json_open_array(json, "points");
    for (size_t i = 0; i < search->points; i++) {
        const struct point *point = &search->point[i];
        json_open_object(json, NULL);
        json_count(json, "value", point->value);
        write_modes(json, &point->shots.modes);
        json_count(json, "rounds", point->rounds);
        write_shots(json, "trials", &point->shots);
        json_close_object(json);
    }
    json_close_array(json);
}

static void
write_mechanism(struct json *json, enum mechanism mechanism, const struct evidence *slow, const struct evidence *fast)
{
    char text[EVIDENCE_LINES][EVIDENCE_TEXT_BYTES];
    size_t lines = slow != NULL && fast != NULL ? evidence_tell(slow, fast, text) : 0;

    json_open_object(json, "mechanism");
    json_text(json, "name", mechanism_name(mechanism));
    json_text(json, "words", mechanism_words(mechanism));
    json_open_array(json, "sentences");
    for (size_t i = 0; i < lines; i++)
        json_text(json, NULL, text[i]);
    json_close_array(json);
    write_evidence(json, "slow", slow);
    write_evidence(json, "fast", fast);
    json_close_object(json);
}

static void
write_remedies(struct json *json, const struct cliff *cliff)
{
    json_open_array(json, "remedies");
    for (enum remedy r = 0; r < REMEDIES && cliff->explained; r++) {
        const struct tried *tried = &cliff->tried[r];
        json_open_object(json, NULL);
        json_text(json, "name", remedy_name(r));
        json_text(json, "words", remedy_words(r));
        json_text(json, "not_tried", tried->why_not);
        json_count(json, "value", tried->why_not == NULL ? tried->value : MISSING);
        json_real(json, "before", cliff->before.modes.slow);
        json_real(json, "after", tried->after.modes.count > 0 ? tried->after.modes.slow : (double)NAN);
        json_boolean(json, "removes", tried->removes);
        json_boolean(json, "helps", tried->helps);
        write_modes(json, &tried->after.modes);
        write_shots(json, "trials", &tried->after);
        json_close_object(json);
    }
    json_close_array(json);
}

static void
write_cliffs(struct json *json, const struct search *search, const struct findings *findings)
{
    json_open_array(json, "cliffs");
    for (size_t i = 0; i < findings->cliffs; i++) {
        const struct cliff *cliff = &findings->cliff[i];
        const struct point *slow = &search->point[cliff->slow], *fast = &search->point[cliff->fast];
        json_open_object(json, NULL);
        json_count(json, "slow", slow->value);
        json_count(json, "fast", fast->value);
        json_real(json, "slow_speed", slow->shots.modes.slow);
        json_real(json, "fast_speed", fast->shots.modes.slow);
        json_real(json, "ratio", fast->shots.modes.slow / slow->shots.modes.slow);
        json_boolean(json, "explained", cliff->explained);
        write_mechanism(json, cliff->mechanism, cliff->evidence, cliff->other);
        write_shots(json, "examined", &cliff->examined);
        write_shots(json, "before", &cliff->before);
        write_remedies(json, cliff);
        json_close_object(json);
    }
    json_close_array(json);
}

static void
write_bistable(struct json *json, const struct search *search, const struct findings *findings)
{
    json_open_array(json, "bistable");
    for (size_t i = 0; i < findings->bistables; i++) {
        const struct bistable *range = &findings->bistable[i];
        json_open_object(json, NULL);
        json_count(json, "from", search->point[range->place.first].value);
        json_count(json, "to", search->point[range->place.last].value);
        json_real(json, "slow_speed", range->slow);
        json_count(json, "slow_trials", range->slow_trials);
        json_real(json, "fast_speed", range->fast);
        json_count(json, "fast_trials", range->fast_trials);
        write_mechanism(json, range->mechanism, range->evidence, range->other);
        json_close_object(json);
    }
    json_close_array(json);
}

/* As in tinygram/1. What is in effect is that of the first trial, whose factor had its first value. */
static void
write_setting(struct json *json, const struct search *search)
{
    struct end sender = {.known = search->ends.known, .half = search->ends.sender};
    struct end receiver = {.known = search->ends.known, .half = search->ends.receiver};
    const struct config *config = &search->config;
    struct trial trial = {.role = "pair",
                          .config = config,
                          .source_bytes = config->bytes,
                          .stream_bytes = MISSING,
                          .verify = config->verify,
                          .connections = config->connections,
                          .sender = &sender,
                          .receiver = &receiver};

    record_write_workload(json, &trial);
    record_write_setting(json, &trial);
    const struct sockopt_value *control = &search->ends.sender.start.of[SOCKOPT_CONGESTION];
    json_text(json, "congestion", search->ends.known && control->known ? control->text : NULL);
}

void
cliff_record(FILE *stream, const struct search *search, const struct findings *findings, enum status status,
             const char *error)
{
    struct json json = json_begin(stream, false);

    json_open_object(&json, NULL);
    record_write_head(&json, "tinygram-cliff/1");
    record_write_command(&json, &search->config);
    record_write_started(&json, &search->started);
    json_count(&json, "status", (uint64_t)status);
    json_text(&json, "error", error);
    json_boolean(&json, "interrupted", status == STATUS_INTERRUPTED);
    json_open_object(&json, "search");
    json_text(&json, "factor", args_choice("factor", search->config.cliff.factor));
    json_text(&json, "speed", search->latency ? "latency" : "goodput");
    json_count(&json, "from", search->from);
    json_count(&json, "to", search->to);
    json_count(&json, "trials", search->config.cliff.trials);
    json_real(&json, "ratio", BISECT_RATIO);
    json_boolean(&json, "truncated", search->truncated);
    json_close_object(&json);
    write_setting(&json, search);
    write_points(&json, search);
    write_cliffs(&json, search, findings);
    write_bistable(&json, search, findings);
    machine_write(&json);
    json_close_object(&json);
    json_end(&json);
}
