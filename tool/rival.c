/* rival.c: see rival.h. */
#include "rival.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "clock.h"
#include "err.h"
#include "turn.h"

/* Bound of an arm's result document. */
#define DOCUMENT_MAX (UINT64_C(64) << 20)

/* Time for the process to end once its standard input has; after an error, when it may hang, less. */
#define END_LIMIT_NS (UINT64_C(5) * NS_PER_S)
#define FAILED_LIMIT_NS (300 * NS_PER_MS)

static int
add_word(struct rival *rival, char *word)
{
    if (rival->words == RIVAL_WORDS)
        return err_set(STATUS_USAGE, "the command line of an arm has more than %d words", RIVAL_WORDS);
    rival->word[rival->words++] = word;
    rival->word[rival->words] = NULL;
    return 0;
}

/* Adds the words of `text` (may be NULL), each behind `lead`; they are kept in `text` of the rival, from *used on. */
static int
add_words(struct rival *rival, size_t *used, const char *lead, const char *text)
{
    while (text != NULL && *(text += strspn(text, " ")) != '\0') {
        size_t length = strcspn(text, " ");
        char *word = rival->text + *used;
        *used += (size_t)snprintf(word, rival->text_bytes - *used, "%s%.*s", lead, (int)length, text) + 1;
        if (add_word(rival, word) != 0)
            return -1;
        text += length;
    }
    return 0;
}

/* Adds those options of our own command line that an arm takes too. */
static int
add_options(struct rival *rival, const struct config *config)
{
    for (int i = 2; i < config->argc; i++) {
        bool takes_value = false;
        bool shared = args_known(COMMAND_ARM, config->argv[i], &takes_value);
        if (!shared)
            args_known(COMMAND_SLICES, config->argv[i], &takes_value);
        bool value_follows = takes_value && strchr(config->argv[i], '=') == NULL;
        if (shared && add_word(rival, config->argv[i]) != 0)
            return -1;
        i += value_follows;
        if (shared && value_follows && add_word(rival, config->argv[i]) != 0)
            return -1;
    }
    return 0;
}

/* Room for every word that is made of a setting (with its two dashes) or of a prefix, with a zero behind each. */
static size_t
room_for(const struct arm_plan *plan)
{
    size_t setting = plan->setting != NULL ? strlen(plan->setting) : 0;
    size_t prefix = plan->prefix != NULL ? strlen(plan->prefix) : 0;

    return 4 * setting + 2 * prefix + 64;
}

/* Checks the arm's options by this build's table; another build may know others, and says so itself. */
static int
check_options(struct rival *rival, const struct config *given, int command_at, bool own_program)
{
    static struct config config;

    if (!own_program)
        return 0;
    if (args_parse(COMMAND_ARM, rival->words - command_at + 1, rival->word + command_at - 1, &config) != 0)
        return err_context("--%s", rival->name);
    if (config.cpus.sender != given->cpus.sender || config.cpus.receiver != given->cpus.receiver)
        return err_set(STATUS_USAGE, "--%s: cpus: both arms run in the same place; give --cpus to the comparison",
                       rival->name);
    return 0;
}

int
rival_prepare(struct rival *rival, const struct config *config, enum side side)
{
    const struct arm_plan *plan = &config->slices.arm[side];
    static char subcommand[] = "arm";
    char cpus[64];
    size_t used = 0;

    *rival = (struct rival){.name = side == SIDE_BASE ? "base" : "new", .process = -1, .channel = -1};
    rival->text_bytes = room_for(plan) + sizeof cpus;
    rival->text = calloc(1, rival->text_bytes);
    if (rival->text == NULL)
        return err_set(STATUS_REFUSED, "no memory for the command line of arm %s", rival->name);
    if (plan->program != NULL && strlen(plan->program) >= sizeof rival->program)
        return err_set(STATUS_USAGE, "--%s-program: the name is too long", rival->name);
    if (plan->program != NULL)
        memcpy(rival->program, plan->program, strlen(plan->program) + 1);
    else if (readlink("/proc/self/exe", rival->program, sizeof rival->program - 1) < 0)
        return err_system(errno, "cannot find this program itself in /proc");
    if (add_words(rival, &used, "", plan->prefix) != 0 || add_word(rival, rival->program) != 0)
        return -1;
    int command_at = rival->words;
    if (add_word(rival, subcommand) != 0 || add_options(rival, config) != 0)
        return -1;
    cpus[0] = '\0';
    if (config->cpus.sender != CPU_ANY)
        snprintf(cpus, sizeof cpus, "cpus=%d,%d", config->cpus.sender, config->cpus.receiver);
    if (add_words(rival, &used, "--", cpus) != 0 || add_words(rival, &used, "--", plan->setting) != 0)
        return -1;
    return check_options(rival, config, command_at, plan->program == NULL);
}

/* In the child: becomes the arm. */
static void
become(const struct rival *rival, int channel)
{
    char text[ERR_TEXT_BYTES];

    setpgid(0, 0); /* whatever a prefix starts ends with it */
    if (dup2(channel, STDIN_FILENO) < 0 || dup2(channel, STDOUT_FILENO) < 0)
        _exit(STATUS_REFUSED);
    execvp(rival->word[0], rival->word);
    err_system(errno, "cannot run '%.200s'", rival->word[0]);
    memcpy(text, err_text(), sizeof text);
    turn_send(STDOUT_FILENO, TURN_FAILED, STATUS_REFUSED, text);
    _exit(STATUS_REFUSED);
}

/* Waits for a message of `kind`. Returns its number, or 0 with an error that names the arm. */
static uint64_t
await_turn(struct rival *rival, enum turn_kind kind, uint64_t deadline_ns)
{
    struct turn turn;

    if (turn_receive(rival->channel, &turn, deadline_ns) != 0) {
        err_context("arm %s", rival->name);
        return 0;
    }
    if (turn.kind == TURN_FAILED) {
        bool known = turn.number >= STATUS_USAGE && turn.number <= STATUS_LIMIT;
        err_set(known ? (enum status)turn.number : STATUS_FAILED, "arm %s: %s", rival->name, turn.text);
        return 0;
    }
    if (turn.kind == (uint64_t)kind && turn.number > 0)
        return turn.number;
    err_set(STATUS_FAILED, "arm %s: it told a time of 0, or spoke out of turn", rival->name);
    return 0;
}

int
rival_start(struct rival *rival, uint64_t deadline_ns)
{
    int channel[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0)
        return err_system(errno, "cannot make a channel to arm %s", rival->name);
    rival->process = fork();
    if (rival->process == 0)
        become(rival, channel[1]);
    close(channel[1]);
    rival->channel = channel[0];
    if (rival->process < 0)
        return err_system(errno, "cannot fork arm %s", rival->name);
    return await_turn(rival, TURN_READY, deadline_ns) != 0 ? 0 : -1;
}

uint64_t
rival_work(struct rival *rival, uint64_t units, uint64_t deadline_ns)
{
    if (turn_send(rival->channel, TURN_RUN, units, "") != 0) {
        err_context("arm %s", rival->name);
        return 0;
    }
    return await_turn(rival, TURN_DONE, deadline_ns);
}

/* Reads everything up to the end of the arm's output. */
static int
read_document(struct rival *rival, uint64_t deadline_ns)
{
    struct pollfd wait = {.fd = rival->channel, .events = POLLIN};
    size_t room = 0;

    for (;;) {
        if (rival->document_bytes == room) {
            char *larger = room < DOCUMENT_MAX ? realloc(rival->document, room + 65536) : NULL;
            if (larger == NULL)
                return err_set(STATUS_FAILED, "arm %s: its result has no end", rival->name);
            rival->document = larger;
            room += 65536;
        }
        if (poll(&wait, 1, clock_poll_ms(deadline_ns)) == 0 && clock_now_ns() >= deadline_ns)
            return err_set(STATUS_FAILED, "arm %s: it did not end in time", rival->name);
        ssize_t part = read(rival->channel, rival->document + rival->document_bytes, room - rival->document_bytes);
        if (part < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (part <= 0)
            return 0;
        rival->document_bytes += (size_t)part;
    }
}

/* Whether what the arm wrote can be its result: one JSON object and a newline. */
static bool
is_document(const struct rival *rival)
{
    size_t length = rival->document_bytes;

    return length > 2 && rival->document[0] == '{' && memcmp(rival->document + length - 2, "}\n", 2) == 0;
}

/* Waits until the process has ended by itself, and keeps with what. Returns whether it has. */
static bool
has_ended(struct rival *rival, uint64_t deadline_ns)
{
    const struct timespec moment = {.tv_nsec = 200000};

    while (rival->process > 0) {
        pid_t ended = waitpid(rival->process, &rival->outcome, WNOHANG);
        if (ended == rival->process || (ended < 0 && errno == ECHILD))
            rival->process = -1;
        else if (clock_now_ns() >= deadline_ns)
            return false;
        else
            nanosleep(&moment, NULL);
    }
    return true;
}

/* A result is taken only from an arm that ends as it should: one that fails after it may have failed before. */
static int
check_end(struct rival *rival, uint64_t deadline_ns)
{
    if (!has_ended(rival, deadline_ns))
        return err_set(STATUS_FAILED, "arm %s: it gave its result and did not end", rival->name);
    if (WIFSIGNALED(rival->outcome))
        return err_set(STATUS_FAILED, "arm %s: it gave its result and was ended by signal %d", rival->name,
                       WTERMSIG(rival->outcome));
    if (WEXITSTATUS(rival->outcome) != STATUS_DONE)
        return err_set(STATUS_FAILED, "arm %s: it gave its result and ended with status %d", rival->name,
                       WEXITSTATUS(rival->outcome));
    return 0;
}

int
rival_finish(struct rival *rival, uint64_t deadline_ns)
{
    struct turn failed;

    if (turn_send(rival->channel, TURN_FINISH, 0, "") != 0 || read_document(rival, deadline_ns) != 0)
        return -1;
    if (is_document(rival)) {
        rival->document_bytes--; /* the newline */
        return check_end(rival, deadline_ns);
    }
    bool told = turn_decode(rival->document, rival->document_bytes, &failed) == 0 && failed.kind == TURN_FAILED;
    free(rival->document);
    rival->document = NULL;
    if (told)
        return err_set(STATUS_FAILED, "arm %s: %s", rival->name, failed.text);
    return err_set(STATUS_FAILED, "arm %s: it ended without a result", rival->name);
}

void
rival_close(struct rival *rival)
{
    if (rival->channel >= 0)
        close(rival->channel); /* its standard input ends, and so does it */
    rival->channel = -1;
    uint64_t limit_ns = err_status() == STATUS_DONE ? END_LIMIT_NS : FAILED_LIMIT_NS;
    if (rival->process > 0 && !has_ended(rival, clock_deadline_ns(limit_ns))) {
        kill(-rival->process, SIGKILL);
        waitpid(rival->process, NULL, 0);
    }
    rival->process = -1;
    free(rival->document);
    free(rival->text);
    rival->document = rival->text = NULL;
}
