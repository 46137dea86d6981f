/* session_report.c: the end of a session: both accounts are compared, and the receiver's half travels back. */
#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "session_parts.h"

/* Compares both ends' accounts of connection `index`. Returns 0, or -1 with the error kept. */
static int
judge(struct session *session, uint64_t index)
{
    const struct receiving *receiving = &session->receiving[index];
    const struct wire_finish *finish = &session->finish[index];
    const struct half *half = &receiving->half;

    if (half->bytes != finish->bytes)
        return err_set(STATUS_FAILED, "%" PRIu64 " bytes were sent on connection %" PRIu64 " and %" PRIu64 " arrived",
                       finish->bytes, index, half->bytes);
    if (half->checked_bytes != MISSING &&
        (half->checked_bytes != finish->checked_bytes || half->digest_high != finish->digest_high ||
         half->digest_low != finish->digest_low))
        return err_set(STATUS_FAILED, "the content of connection %" PRIu64 " differs from what was sent", index);
    return 0;
}

/* Both accounts are complete: judge, store the files, and begin to report. */
void
session_begin_report(struct session *session)
{
    for (uint64_t i = 0; i < session->hello.connections; i++) {
        session->interrupted = session->interrupted || session->finish[i].interrupted == 1;
        if (judge(session, i) != 0)
            session_settle(session, (int)err_status(), err_text());
    }
    if (session->interrupted)
        session_settle(session, STATUS_INTERRUPTED, "the sender was interrupted; the result is partial");
    for (uint64_t i = 0; i < session->hello.connections; i++)
        if (sink_settle(&session->receiving[i].sink, session->status == STATUS_DONE) != 0)
            session_settle(session, (int)err_status(), err_text());
    session->state = SESSION_REPORT;
    session->deadline_ns = clock_deadline_ns(REPORT_LIMIT_NS);
}

/* Encodes the next message of the report, if there is one. Returns whether there was. */
bool
session_queue_report(struct session *session)
{
    struct report_cursor *cursor = &session->cursor;
    uint64_t connections = session->hello.connections;

    while (cursor->connection < connections) {
        struct receiving *receiving = &session->receiving[cursor->connection];
        if (!cursor->half_sent) {
            struct wire_half message = {.index = cursor->connection, .half = receiving->half};
            cursor->half_sent = true;
            session_queue(session, WIRE_HALF, &message);
            return true;
        }
        if (cursor->reads_sent < receiving->half.events_recorded) {
            struct wire_reads message = {.index = cursor->connection};
            uint64_t left = receiving->half.events_recorded - cursor->reads_sent;
            message.count = left < WIRE_READS_EACH ? left : WIRE_READS_EACH;
            const struct read_event *reads = receiving->reads.entry;
            memcpy(message.read, reads + cursor->reads_sent, message.count * sizeof *reads);
            cursor->reads_sent += message.count;
            session_queue(session, WIRE_READS, &message);
            return true;
        }
        if (cursor->samples_sent < receiving->half.samples_recorded) {
            const struct sample *samples = receiving->samples.entry;
            struct wire_sample message = {.index = cursor->connection, .sample = samples[cursor->samples_sent++]};
            session_queue(session, WIRE_SAMPLE, &message);
            return true;
        }
        *cursor = (struct report_cursor){.connection = cursor->connection + 1};
    }
    if (cursor->connection == connections) {
        struct wire_reply reply = session_reply(session);
        cursor->connection++;
        session_queue(session, WIRE_DONE, &reply);
        return true;
    }
    return false;
}

/* Sends what is queued and what follows it, as far as the socket takes it. */
