/* args.c: see args.h. */
#include "args.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "args_values.h"
#include "clock.h"
#include "err.h"
#include "pace.h"
#include "units.h"
#include "workload.h"

#define ARMS (COMMAND_SLICES | COMMAND_ARM)
#define PACED (COMMAND_SEND | COMMAND_PAIR | COMMAND_CLIFF) /* those that decide how long they work */
#define ENDS (PACED | ARMS)
#define SENDS (COMMAND_SEND | COMMAND_PAIR)
#define SERVES (COMMAND_RECV | COMMAND_PAIR | COMMAND_CLIFF)
#define TRIALS (COMMAND_RECV | COMMAND_SEND | COMMAND_PAIR | COMMAND_CLIFF)
#define FIELD(member) offsetof(struct config, member)

const struct args_row args_table[] = {
    {"file", "PATH", "workload", NULL, ENDS, parse_word, FIELD(file), "Send this regular file."},
    {"bytes", "SIZE", "workload", NULL, ENDS, parse_size, FIELD(bytes),
     "Send SIZE pseudo-random bytes from memory instead of a file."},
    {"repeat", "N", "workload", "1", PACED, parse_repeat, FIELD(repeat),
     "Send the file or the bytes N times on the connection, so that a small file can last."},
    {"duration", "T", "workload", NULL, PACED, parse_time, FIELD(duration_ns),
     "Send the file or the bytes again and again, and stop (also in the middle) when T has passed. Exchange: begin none "
     "after T. Stream: send all messages that are planned within T, however late."},
    {"write-size", "SIZE", "workload", "64K", ENDS, parse_write_size, FIELD(write_size),
     "Bytes handed to the kernel in one call: one chunk. The end of the file makes a shorter one."},
    {"read-size", "SIZE", "workload", "128K", ENDS, parse_read_size, FIELD(read_size),
     "Most bytes that the receiver takes in one read()."},
    {"send-with", "HOW", "workload", "write", ENDS, parse_send_with, FIELD(send_with),
     "The sending call: write, writev (two halves), sendmsg, sendfile, splice (through a pipe) or zerocopy "
     "(MSG_ZEROCOPY)."},
    {"connections", "N", "workload", "1", PACED, parse_connections, FIELD(connections),
     "Data connections that run side by side; each sends the whole workload."},

    {"pattern", "PATTERN", "workload", NULL, ENDS, parse_pattern, FIELD(pattern),
     "Exchange: the items of one exchange, joined by commas: wN writes N bytes, mN does with MSG_MORE, vN+N is one writev, "
     "c and u cork and uncork, pT pauses, rN is a reply of N bytes, q re-arms TCP_QUICKACK at the receiver before it "
     "reads; kN(...) around them keeps N exchanges outstanding."},
    {"stream", "SIZE@RATE", "workload", NULL, PACED, parse_stream, FIELD(stream_text),
     "Stream: messages of SIZE bytes, RATE a second, in an open loop; latency counts from the planned time as well."},
    {"count", "N", "workload", NULL, PACED, parse_exchanges, FIELD(pacing.count),
     "Exchanges or messages (default: 1000 exchanges, unless --duration is given)."},
    {"rate", "N", "workload", NULL, PACED, parse_rate, FIELD(pacing.rate),
     "Exchange: begin N exchanges a second instead of each when the last has ended."},
    {"schedule", "HOW", "workload", "constant", PACED, parse_schedule, FIELD(pacing),
     "How a rate is spread: constant, poisson (random gaps from --seed), or burst:N (N at once)."},
    {"think", "T[-T]", "workload", NULL, PACED, parse_think, FIELD(pacing),
     "Exchange: wait T, or a random time between two T, before each exchange; breaks the lock-step of a closed loop with "
     "the kernel's tick."},

    {"family", "FAMILY", "setting", "inet", TRIALS | ARMS, parse_family, FIELD(family),
     "inet, inet6, or unix: the baseline without TCP."},
    {"cpus", "WHERE", "setting", "free", ENDS, parse_cpus, FIELD(cpus),
     "Placement: same (both ends on one CPU), split (two CPUs), free, or A,B (sender on CPU A, receiver on CPU B)."},
    {"sched", "HOW", "setting", "normal", ENDS, parse_sched, FIELD(sched),
     "Scheduling policy of both ends: normal, or batch (SCHED_BATCH), under which a wake-up does not preempt; with --cpus "
     "same it takes out the two modes that the scheduler otherwise falls into."},
    {"wait", "HOW", "setting", "block", ENDS, parse_wait, FIELD(wait),
     "block: sleep in read() and write(). spin: try again without sleeping."},
    {"concurrency", "HOW", "setting", "fork", SERVES, parse_concurrency, FIELD(concurrency),
     "How the receiver serves many senders: fork (a process each), poll (one process for all), thread (a thread each)."},
    {"verify", "HOW", "setting", "auto", ENDS, parse_verify, FIELD(verify),
     "Check the content with XXH3-128: full (every byte; up to 64 MiB kept and hashed after the last read), sampled (1 "
     "KiB of every 64 KiB), off. auto: full where the transfer is known to be at most 64 MiB, else sampled, which costs "
     "the least goodput. A receiver with --output always checks every byte."},
    {"log", "on|off", "setting", "on", ENDS, parse_switch, FIELD(log),
     "Keep an event for every write and read; chunk latency and time in write() come from them."},
    {"events-max", "N", "setting", "1M", ENDS, parse_events_max, FIELD(events_max),
     "Bound of the event logs: at most N events a connection and end (24 bytes each; by default "
     "24 MiB a connection and end). What does not fit is counted in the result."},
    {"sample-every", "T", "setting", NULL, ENDS, parse_time, FIELD(sample_every_ns),
     "Take TCP_INFO of both ends every T between two calls, at most 4096 times, into the events."},
    {"rearm-quickack", "on|off", "setting", "off", ENDS, parse_switch, FIELD(rearm_quickack),
     "Let the receiver set TCP_QUICKACK again before each read, since the kernel leaves that mode by itself."},
    {"rcvbuf-when", "HOW", "setting", "listen", ENDS, parse_rcvbuf_when, FIELD(rcvbuf_late),
     "When the receiver sets SO_RCVBUF: listen (on the listener, where it can widen or narrow the window scale) or accept "
     "(on the accepted socket, as many programs do)."},
    {"timeout", "T", "setting", "60s", ENDS, parse_time, FIELD(timeout_ns),
     "Give the whole trial up after T. A connection on which no byte moves for 10 s is given up earlier."},
    {"seed", "N", "setting", "1", ENDS, parse_seed, FIELD(seed), "Seed of the pseudo-random bytes of --bytes."},

    {"stamps", "on|off", "setting", "off", ENDS, parse_switch, FIELD(stamps),
     "Ask the kernel for timestamps of every write (SO_TIMESTAMPING); they split the latency into time in write(), hold, "
     "to the device, to the receiving kernel, and waiting for read()."},

    {"max-stalls", "N", "limit", NULL, SENDS, parse_limit, FIELD(limits.max_stalls),
     "Status 5 when more exchanges, messages or chunks sat on a kernel timer."},
    {"max-p50", "T", "limit", NULL, SENDS, parse_time, FIELD(limits.max_p50_ns),
     "Status 5 when the median latency is above T."},
    {"max-p99", "T", "limit", NULL, SENDS, parse_time, FIELD(limits.max_p99_ns),
     "Status 5 when the 99th percentile of the latency is above T."},
    {"min-goodput", "SIZE", "limit", NULL, SENDS, parse_size, FIELD(limits.min_goodput),
     "Status 5 when fewer than SIZE bytes a second arrive."},
    {"max-segments-per-message", "X", "limit", NULL, SENDS, parse_ratio, FIELD(limits.max_segments_per_message),
     "Status 5 when an exchange, message or chunk takes more data segments on average."},

    {"json", "FILE", "output", NULL, TRIALS | COMMAND_SLICES, parse_word, FIELD(json_path),
     "Write the result as one JSON document (tinygram/1) to FILE; - is standard output. `recv` without --once writes "
     "a document a line for each session."},
    {"events", "FILE", "output", NULL, SENDS, parse_word, FIELD(events_path),
     "Write all events as tab-separated values to FILE; - is standard output."},
    {"hgrm", "FILE", "output", NULL, SENDS, parse_word, FIELD(hgrm_path),
     "Write the latency distribution in HdrHistogram's percentile format (microseconds) to FILE."},
    {"json", NULL, "output", NULL, COMMAND_OPTIONS | COMMAND_VERSION | COMMAND_LAB, parse_flag, FIELD(json),
     "Print JSON instead of a table."},

    {"factor", "NAME", "cliff", NULL, COMMAND_CLIFF, parse_factor, FIELD(cliff.factor),
     "What to vary: sndbuf, rcvbuf, write-size (of a transfer) or rate (of a stream)."},
    {"from", "N", "cliff", NULL, COMMAND_CLIFF, parse_size, FIELD(cliff.from), "Smallest value (default: by factor)."},
    {"to", "N", "cliff", NULL, COMMAND_CLIFF, parse_size, FIELD(cliff.to), "Largest value (default: by factor)."},
    {"trials", "N", "cliff", "5", COMMAND_CLIFF, parse_trials, FIELD(cliff.trials),
     "Trials at each value, fewer where they take long; the sides of a cliff are tried in up to three rounds. A value "
     "whose trials fall into two groups more than threefold apart is bistable and no cliff."},
    {"budget", "T", "cliff", NULL, COMMAND_CLIFF, parse_time, FIELD(cliff.budget_ns),
     "Begin no further value, round or cliff when T has passed; the steepest cliff is always explained."},

    {"base", "SETTING", "comparison", NULL, COMMAND_SLICES, parse_word, FIELD(slices.arm[SIDE_BASE].setting),
     "What the base arm has different: options as NAME=VALUE, separated by blanks."},
    {"new", "SETTING", "comparison", NULL, COMMAND_SLICES, parse_word, FIELD(slices.arm[SIDE_NEW].setting),
     "The same of the new arm."},
    {"base-program", "PATH", "comparison", NULL, COMMAND_SLICES, parse_word, FIELD(slices.arm[SIDE_BASE].program),
     "The base arm is this build of tinygram."},
    {"new-program", "PATH", "comparison", NULL, COMMAND_SLICES, parse_word, FIELD(slices.arm[SIDE_NEW].program),
     "The new arm is this build of tinygram."},
    {"base-prefix", "COMMAND", "comparison", NULL, COMMAND_SLICES, parse_word, FIELD(slices.arm[SIDE_BASE].prefix),
     "The base arm is run by this command, which gets its command line as arguments (env A=B, ip netns exec N, nice)."},
    {"new-prefix", "COMMAND", "comparison", NULL, COMMAND_SLICES, parse_word, FIELD(slices.arm[SIDE_NEW].prefix),
     "The new arm is run by this command."},
    {"slices", "N", "comparison", "200", COMMAND_SLICES, parse_slices, FIELD(slices.count),
     "Pairs of slices; fewer, but at least 12, when they would last longer than a second together."},
    {"slice-time", "T", "comparison", "500us", COMMAND_SLICES, parse_time, FIELD(slices.slice_ns),
     "What a slice of the slower arm should last; one of a transfer has at most 512 KiB, though, or one chunk."},
    {"units", "N", "comparison", NULL, COMMAND_SLICES, parse_exchanges, FIELD(slices.units),
     "Exchanges or chunks of a slice; found from --slice-time unless given."},

    {"connect", "PORT", "comparison", NULL, ARMS, parse_port, FIELD(slices.connect),
     "The other end is a server of yours at this port of loopback, that answers --pattern: it reads the request and "
     "writes the reply. Give each arm its own: --base connect=4001 --new connect=4002."},

    /* In no help: it is there to prove that a slowdown is found. */
    {"inject-spin", "PERMILLE", "proof", "0", ARMS, parse_permille, FIELD(inject_permille),
     "Make every slice longer by so many thousandths."},

    {"list", NULL, "lab", NULL, COMMAND_LAB, parse_flag, FIELD(list), "Name the statements and try none."},
    {"thorough", NULL, "lab", NULL, COMMAND_LAB, parse_flag, FIELD(thorough),
     "Also wait for what takes minutes, such as the end of TIME_WAIT."},
    {"attempts", "N", "lab", NULL, COMMAND_LAB, parse_attempts, FIELD(attempts),
     "Try each statement N times (default: each its own number, 5 where chance can enter)."},
    {"twist", NULL, "proof", NULL, COMMAND_LAB, parse_flag, FIELD(twist),
     "Try each statement under the change that makes it turn out otherwise: the lab's test of itself."},

    {"listen", "ADDRESS", "receiver", NULL, COMMAND_RECV, parse_word, FIELD(listen),
     "Address to listen at: loopback unless given. With --family unix a path, or @NAME for an abstract one."},
    {"port", "N", "receiver", "0", COMMAND_RECV, parse_port, FIELD(port),
     "Port of the control connection; 0: the kernel chooses, and it is printed."},
    {"once", NULL, "receiver", NULL, COMMAND_RECV, parse_flag, FIELD(once),
     "End after one session, with its status. Strangers do not count."},
    {"output", "DIR", "receiver", NULL, COMMAND_RECV, parse_word, FIELD(output),
     "Store what arrives in DIR, under a name that the receiver chooses; it appears when it is complete."},
};

const size_t args_count = sizeof args_table / sizeof args_table[0];

/* Levenshtein's distance. */
unsigned
args_edits(const char *a, const char *b)
{
    unsigned row[64];
    size_t length = strlen(b);

    if (length >= sizeof row / sizeof row[0])
        return UINT32_MAX;
    for (size_t j = 0; j <= length; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 1; j <= length; j++) {
            unsigned change = diagonal + (a[i] != b[j - 1]);
            diagonal = row[j];
            row[j] = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            if (change < row[j])
                row[j] = change;
        }
    }
    return row[length];
}

/* What an argument names: a program option, or a socket option on one or on its natural end. */
struct meaning {
    const struct args_row *row; /* NULL: a socket option */
    int option;
    enum sockopt_end end;
};

/* Socket option `name`, perhaps behind "send-" or "recv-". */
static bool
find_socket_option(const char *name, struct meaning *meaning)
{
    static const struct {
        const char *prefix;
        enum sockopt_end end;
    } ends[] = {{"send-", SOCKOPT_SENDER}, {"recv-", SOCKOPT_RECEIVER}};

    for (int option = 0; option < SOCKOPT_COUNT; option++) {
        const struct sockopt_row *row = sockopt_row(option);
        *meaning = (struct meaning){.option = option, .end = row->end};
        if (strcmp(name, row->name) == 0)
            return true;
        for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
            size_t length = strlen(ends[i].prefix);
            if (strncmp(name, ends[i].prefix, length) == 0 && strcmp(name + length, row->name) == 0) {
                meaning->end = ends[i].end;
                return true;
            }
        }
    }
    return false;
}

static bool
find_option(enum command command, const char *name, struct meaning *meaning)
{
    for (size_t i = 0; i < args_count; i++) {
        if ((args_table[i].commands & command) == 0 || strcmp(args_table[i].name, name) != 0)
            continue;
        *meaning = (struct meaning){.row = &args_table[i]};
        return true;
    }
    return (command & ENDS) != 0 && find_socket_option(name, meaning);
}

bool
args_known(enum command command, const char *argument, bool *takes_value)
{
    struct meaning meaning;
    char name[64];
    size_t length = strcspn(argument, "=");

    if (strncmp(argument, "--", 2) != 0 || length - 2 >= sizeof name)
        return false;
    memcpy(name, argument + 2, length - 2);
    name[length - 2] = '\0';
    if (!find_option(command, name, &meaning))
        return false;
    *takes_value = meaning.row == NULL || meaning.row->value != NULL;
    return true;
}

static int
refuse_unknown(enum command command, const char *argument)
{
    const char *best = NULL;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
    unsigned fewest = strlen(name) < 4 ? (unsigned)strlen(name) : 4; /* beyond three edits it is another word */

    for (size_t i = 0; i < args_count; i++) {
        unsigned count = args_edits(name, args_table[i].name);
        if ((args_table[i].commands & command) != 0 && count < fewest) {
            fewest = count;
            best = args_table[i].name;
        }
    }
    for (int option = 0; option < SOCKOPT_COUNT && (command & ENDS) != 0; option++) {
        unsigned count = args_edits(name, sockopt_row(option)->name);
        if (count < fewest) {
            fewest = count;
            best = sockopt_row(option)->name;
        }
    }
    if (best != NULL)
        return err_set(STATUS_USAGE, "there is no option '%.40s' here; did you mean --%s?", argument, best);
    return err_set(STATUS_USAGE, "there is no option '%.40s' here; see `tinygram help`", argument);
}

/* Reads the value `text` of the option `meaning` into its field. */
static int
take_value(const struct meaning *meaning, const char *text, struct config *config)
{
    if (meaning->row != NULL)
        return meaning->row->parse(text, (unsigned char *)config + meaning->row->offset);
    struct sockopt_values *values = meaning->end == SOCKOPT_SENDER ? &config->sender : &config->receiver;
    return sockopt_parse((enum sockopt)meaning->option, text, &values->of[meaning->option]);
}

static int
set_defaults(enum command command, struct config *config)
{
    *config = (struct config){
        .bytes = MISSING,
        .duration_ns = MISSING,
        .sample_every_ns = MISSING,
        .pacing = {.count = MISSING},
        .cliff = {.from = MISSING, .to = MISSING, .budget_ns = MISSING},
        .slices = {.units = MISSING},
        .limits = {.max_stalls = MISSING, .max_p50_ns = MISSING, .max_p99_ns = MISSING, .min_goodput = MISSING}};
    for (size_t i = 0; i < args_count; i++) {
        const struct args_row *row = &args_table[i];
        if (row->fallback != NULL && row->parse(row->fallback, (unsigned char *)config + row->offset) != 0)
            return err_context("default of --%s", row->name);
    }
    if ((command & ARMS) != 0) /* whoever is compared shares one CPU, unless told otherwise */
        return parse_cpus("same", &config->cpus);
    return 0;
}

/* `send` takes HOST PORT, or for --family unix a path alone; `lab` names; other subcommands take no operands. */
static int
take_operands(enum command command, char **operands, int count, struct config *config)
{
    if (command == COMMAND_LAB)
        return 0;
    if (command != COMMAND_SEND)
        return count == 0 ? 0 : err_set(STATUS_USAGE, "'%.40s' is not expected here", operands[0]);
    int wanted = config->family == AF_UNIX ? 1 : 2;
    if (count != wanted)
        return err_set(STATUS_USAGE, wanted == 1 ? "send --family unix takes one operand: the receiver's PATH or @NAME"
                                                 : "send takes two operands: HOST PORT");
    config->host = operands[0];
    if (wanted == 2) {
        if (parse_port(operands[1], &config->port) != 0)
            return err_context("PORT");
        if (config->port == 0)
            return err_set(STATUS_USAGE, "PORT: 0 is no port to connect to; take the one that the receiver printed");
    }
    return 0;
}

/* Which workload the options ask for, and what follows from it. */
static int
choose_workload(struct config *config)
{
    int sources = (config->file != NULL || config->bytes != MISSING) + (config->pattern_text != NULL) +
                  (config->stream_text != NULL);

    if (sources == 0 && config->cliff.factor != FACTOR_NONE && config->cliff.factor != FACTOR_RATE) {
        config->bytes = UINT64_C(64) << 20; /* what a search for cliffs sends unless told otherwise */
        sources = 1;
    }
    if (sources == 0)
        return err_set(STATUS_USAGE, "what is to be sent? Give --file PATH, --bytes SIZE, --pattern or --stream");
    if (sources > 1 || (config->file != NULL && config->bytes != MISSING))
        return err_set(STATUS_USAGE, "--file, --bytes, --pattern and --stream exclude each other");
    config->workload = config->pattern_text != NULL  ? WORKLOAD_EXCHANGE
                       : config->stream_text != NULL ? WORKLOAD_STREAM
                                                     : WORKLOAD_TRANSFER;
    if (config->workload == WORKLOAD_STREAM && config->pacing.rate > 0)
        return err_set(STATUS_USAGE, "--rate belongs to --pattern: --stream %.40s (SIZE@RATE) has its own",
                       config->stream_text);
    if (config->workload == WORKLOAD_STREAM)
        config->pacing.rate = config->pacing.stream_rate;
    if (config->pacing.schedule != SCHEDULE_CONSTANT && config->pacing.rate <= 0)
        return err_set(STATUS_USAGE, "--schedule spreads a rate: it needs --rate N or --stream SIZE@RATE");
    bool paced = config->pacing.count != MISSING || config->pacing.rate > 0 || config->pacing.think_max_ns > 0;
    if (config->workload == WORKLOAD_TRANSFER)
        return paced ? err_set(STATUS_USAGE, "--count, --rate and --think belong to --pattern or --stream") : 0;
    if (config->repeat != 1 || config->send_with != SEND_WRITE)
        return err_set(STATUS_USAGE, "--repeat and --send-with belong to --file or --bytes");
    if (config->verify != VERIFY_AUTO && config->verify != VERIFY_OFF)
        return err_set(STATUS_USAGE, "--verify: only the content of --file and --bytes is checked");
    if (config->workload == WORKLOAD_STREAM && config->pacing.think_max_ns > 0)
        return err_set(STATUS_USAGE, "--think belongs to --pattern");
    if (config->workload == WORKLOAD_STREAM && config->pacing.count == MISSING && config->duration_ns == MISSING)
        return err_set(STATUS_USAGE, "--stream needs --duration T or --count N");
    if (config->workload == WORKLOAD_EXCHANGE && config->pacing.rate > 0 && config->pacing.think_max_ns > 0)
        return err_set(STATUS_USAGE, "--rate and --think exclude each other");
    if (config->workload == WORKLOAD_EXCHANGE && config->pacing.count == MISSING && config->duration_ns == MISSING &&
        config->cliff.factor == FACTOR_NONE) /* a search chooses its own */
        config->pacing.count = 1000;
    config->verify = VERIFY_OFF;
    config->bytes =
        config->workload == WORKLOAD_EXCHANGE ? pattern_sum(&config->pattern).request_bytes : config->message_size;
    config->write_size = config->bytes;
    return 0;
}

/* `cliff` needs a factor that its workload has. */
static int
check_cliff(const struct config *config)
{
    if (config->cliff.factor == FACTOR_NONE)
        return err_set(STATUS_USAGE, "which factor? Give --factor sndbuf, rcvbuf, write-size or rate");
    if (config->cliff.factor == FACTOR_RATE && config->workload != WORKLOAD_STREAM)
        return err_set(STATUS_USAGE, "--factor rate needs --stream SIZE@RATE");
    if (config->cliff.factor == FACTOR_WRITE_SIZE && config->workload != WORKLOAD_TRANSFER)
        return err_set(STATUS_USAGE, "--factor write-size needs --file or --bytes");
    if (config->cliff.factor == FACTOR_SNDBUF && config->sender.of[SOCKOPT_SNDBUF].known)
        return err_set(STATUS_USAGE,
                       "--factor sndbuf varies SO_SNDBUF itself: leave --sndbuf out, use --from and --to");
    if (config->cliff.factor == FACTOR_RCVBUF && config->receiver.of[SOCKOPT_RCVBUF].known)
        return err_set(STATUS_USAGE,
                       "--factor rcvbuf varies SO_RCVBUF itself: leave --rcvbuf out, use --from and --to");
    if (config->cliff.from != MISSING && config->cliff.to != MISSING && config->cliff.from >= config->cliff.to)
        return err_set(STATUS_USAGE, "--from must be below --to");
    if (config->rcvbuf_late && config->family == AF_UNIX)
        return err_set(STATUS_USAGE, "--rcvbuf-when accept belongs to TCP");
    if (config->cliff.factor == FACTOR_RCVBUF && config->family == AF_UNIX)
        return err_set(STATUS_USAGE,
                       "--factor rcvbuf: family unix has no receive buffer; what bounds it is SO_SNDBUF, so "
                       "use --factor sndbuf");
    return 0;
}

/* An arm sleeps while it is the other's turn. */
static int
check_arm(const struct config *config)
{
    if (config->slices.connect != 0 && config->pattern_text == NULL)
        return err_set(STATUS_USAGE, "--connect: a foreign server answers a --pattern; it cannot tell when it has read "
                                     "all of a transfer");
    if (config->slices.connect != 0 && config->family == AF_UNIX)
        return err_set(STATUS_USAGE, "--connect takes a port of loopback, and family unix has no ports");
    if (config->pattern_text != NULL && !pattern_rests_between(&config->pattern))
        return err_set(STATUS_USAGE,
                       "--pattern '%.100s': an exchange must begin with a write and end with a read here, or a part of "
                       "it would fall into the other arm's turn",
                       config->pattern_text);
    if (config->wait == WAIT_SPIN)
        return err_set(STATUS_USAGE, "--wait spin: an arm that spins would disturb the other's turn");
    return 0;
}

/* Two outputs cannot share a file: each is renamed into place when it is complete, and the last would win. */
static int
check_outputs(const struct config *config)
{
    const struct {
        const char *name;
        const char *path;
    } outputs[] = {{"--json", config->json_path}, {"--events", config->events_path}, {"--hgrm", config->hgrm_path}};

    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++)
        for (size_t j = 0; j < i; j++)
            if (outputs[i].path != NULL && outputs[j].path != NULL && strcmp(outputs[i].path, outputs[j].path) == 0)
                return err_set(STATUS_USAGE, "%s and %s cannot both be written to '%.40s'", outputs[j].name,
                               outputs[i].name, outputs[i].path);
    return 0;
}

static int
check_workload(struct config *config)
{
    if (choose_workload(config) != 0 || check_outputs(config) != 0)
        return -1;
    if (config->duration_ns != MISSING && config->repeat != 1)
        return err_set(STATUS_USAGE, "--repeat and --duration exclude each other");
    if (config->send_with == SEND_ZEROCOPY && config->family == AF_UNIX)
        return err_set(STATUS_USAGE, "--send-with zerocopy: family unix has no MSG_ZEROCOPY");
    if (config->connections * config->read_size > SESSION_MEMORY_MAX)
        return err_set(STATUS_USAGE, "--connections times --read-size is over %" PRIu64 " bytes; lower --read-size",
                       SESSION_MEMORY_MAX);
    if (config->connections * config->events_max > 4 * EVENTS_MAX_MAX)
        return err_set(STATUS_USAGE, "--connections times --events-max is over %" PRIu64 "; lower --events-max",
                       4 * EVENTS_MAX_MAX);
    if (config->stamps && config->family == AF_UNIX)
        return err_set(STATUS_USAGE, "--stamps on: a socket of family unix has no kernel timestamps; leave it out");
    if (config->stamps && config->send_with == SEND_ZEROCOPY)
        return err_set(STATUS_USAGE,
                       "--stamps on and --send-with zerocopy exclude each other: the notices of both wait "
                       "in one queue");
    if (config->family == AF_UNIX && pattern_sum(&config->pattern).tcp_only)
        return err_set(STATUS_USAGE, "--pattern: c, u, m and q belong to TCP; family unix has none of them");
    if (config->stamps && !config->log)
        return err_set(STATUS_USAGE, "--stamps on needs --log on");
    if (sockopt_check_family(&config->sender, config->family) != 0 ||
        sockopt_check_family(&config->receiver, config->family) != 0)
        return -1;
    return 0;
}

int
args_parse(enum command command, int argc, char **argv, struct config *config)
{
    char *operands[3];
    int operand_count = 0;

    if (set_defaults(command, config) != 0)
        return -1;
    config->argc = argc;
    config->argv = argv;
    for (int i = 2; i < argc; i++) {
        struct meaning meaning;
        char name[64];

        if (strncmp(argv[i], "--", 2) != 0 && command == COMMAND_LAB) {
            if (config->name_count == LAB_NAMES_MAX)
                return err_set(STATUS_USAGE, "more than %d names; leave all out to try every entry", LAB_NAMES_MAX);
            config->names[config->name_count++] = argv[i];
            continue;
        }
        if (strncmp(argv[i], "--", 2) != 0) {
            if (operand_count == 3)
                return err_set(STATUS_USAGE, "'%.40s' is not expected here", argv[i]);
            operands[operand_count++] = argv[i];
            continue;
        }
        const char *equals = strchr(argv[i], '=');
        size_t length = equals != NULL ? (size_t)(equals - argv[i]) - 2 : strlen(argv[i]) - 2;
        if (length >= sizeof name)
            return refuse_unknown(command, argv[i]);
        memcpy(name, argv[i] + 2, length);
        name[length] = '\0';
        if (!find_option(command, name, &meaning))
            return refuse_unknown(command, argv[i]);
        const char *text = equals != NULL ? equals + 1 : NULL;
        bool takes_value = meaning.row == NULL || meaning.row->value != NULL;
        if (!takes_value && text != NULL)
            return err_set(STATUS_USAGE, "--%s takes no value", name);
        if (takes_value && text == NULL) {
            if (i + 1 == argc)
                return err_set(STATUS_USAGE, "--%s needs a value", name);
            text = argv[++i];
        }
        if (take_value(&meaning, text, config) != 0)
            return err_context("--%s", name);
    }
    if (take_operands(command, operands, operand_count, config) != 0)
        return -1;
    if ((command & ARMS) != 0 && check_arm(config) != 0)
        return -1;
    if ((command & ENDS) != 0 && check_workload(config) != 0)
        return -1;
    return command == COMMAND_CLIFF ? check_cliff(config) : 0;
}
