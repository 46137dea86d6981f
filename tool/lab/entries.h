/*
 * entries.h: THE table of the lab. A row: LAB_ENTRY(function, "name", topic, statement, source, twist, ...), where the
 * function is lab_<function>() in the file of its topic, and further members of struct lab_entry may follow by name.
 * The file is included more than once, each time with another LAB_ENTRY; alone it says nothing.
 */
#ifndef LAB_ENTRY
#define LAB_ENTRY(...)
#define LAB_ENTRY_WAS_MISSING
#endif

/* clang-format off */

/* Nagle */
LAB_ENTRY(small_waits, "small-waits", LAB_NAGLE,
    "Nagle: while anything is unacknowledged, a small segment waits.",
    "RFC 896; RFC 9293, 3.7.4", "TCP_NODELAY is on", .needs = LAB_FILTER, .repeats = 5)
LAB_ENTRY(nagle_timer, "nagle-has-a-timer", LAB_NAGLE,
    "Nagle's algorithm holds a small segment for 200 ms.",
    "often told; RFC 896 names no time", "the socket is corked", .needs = LAB_FILTER, .repeats = 5)
LAB_ENTRY(ten_letters, "ten-letters", LAB_NAGLE,
    "Ten letters typed one at a time take fewer segments with Nagle's algorithm than ten.",
    "RFC 896, \"the small-packet problem\"", "TCP_NODELAY is on", .needs = LAB_FILTER, .repeats = 5)
LAB_ENTRY(nodelay_segments, "nodelay-costs-no-segments", LAB_NAGLE,
    "For large files TCP_NODELAY should be on: it costs no more segments.",
    "often told; RFC 896", "every write is a full segment", .needs = LAB_FILTER, .repeats = 5)
LAB_ENTRY(nodelay_one_segment, "nodelay-write-is-segment", LAB_NAGLE,
    "With TCP_NODELAY every write is a segment.",
    "often told; tcp(7)", "no more writes than the initial window of 10 segments", .needs = LAB_FILTER, .repeats = 5)
LAB_ENTRY(write_write_read, "write-write-read", LAB_NAGLE,
    "Two small writes and a read stall for as long as the other end delays its acknowledgement.",
    "RFC 1122, 4.2.3.4; RFC 9293, 3.7.4; textbooks on Nagle and delayed ACK", "TCP_NODELAY is on",
    .repeats = 5, .flags = LAB_WAITS)
LAB_ENTRY(nodelay_later, "nodelay-later-only", LAB_NAGLE,
    "TCP_NODELAY set in mid-stream acts on later writes only.",
    "often told; tcp(7), TCP_NODELAY", "SO_KEEPALIVE is set in place of TCP_NODELAY", .needs = LAB_FILTER, .repeats = 5)
LAB_ENTRY(nodelay_cork, "nodelay-flushes-cork", LAB_NAGLE,
    "TCP_NODELAY flushes what a cork holds, in either order.",
    "tcp(7), TCP_NODELAY and TCP_CORK", "SO_KEEPALIVE is set in place of TCP_NODELAY", .needs = LAB_FILTER, .repeats = 5)
LAB_ENTRY(cork_ceiling, "cork-ceiling", LAB_NAGLE,
    "What TCP_CORK or MSG_MORE holds is sent after 200 ms.",
    "tcp(7), TCP_CORK; send(2), MSG_MORE", "no cork and no MSG_MORE", .repeats = 5, .flags = LAB_WAITS)
LAB_ENTRY(nodelay_msg_more, "nodelay-holds-nothing", LAB_NAGLE,
    "With TCP_NODELAY nothing is held.",
    "often told; send(2), MSG_MORE", "without MSG_MORE", .repeats = 5, .flags = LAB_WAITS)
LAB_ENTRY(nodelay_delayed_acks, "nodelay-ends-delayed-acks", LAB_NAGLE,
    "TCP_NODELAY turns delayed acknowledgements off.",
    "often told; RFC 1122, 4.2.3.2", "TCP_QUICKACK in place of TCP_NODELAY", .repeats = 5, .flags = LAB_WAITS)
LAB_ENTRY(quickack_once, "quickack-once", LAB_NAGLE,
    "TCP_QUICKACK switches delayed acknowledgements off.",
    "often told; tcp(7), TCP_QUICKACK", "it is set again before each exchange", .repeats = 5, .flags = LAB_WAITS)

/* Buffers */
LAB_ENTRY(sndbuf_exact, "sndbuf-exact", LAB_BUFFERS,
    "SO_SNDBUF sets the send buffer to exactly that many bytes.",
    "POSIX, getsockopt(); socket(7), SO_SNDBUF", "TCP_NOTSENT_LOWAT in place of SO_SNDBUF", .repeats = 1)
LAB_ENTRY(sndbuf_autotuning, "sndbuf-stops-autotuning", LAB_BUFFERS,
    "Setting SO_SNDBUF turns the autotuning of the send buffer off.",
    "tcp(7), tcp_wmem", "SO_SNDBUF is not set", .repeats = 5)
LAB_ENTRY(own_buffers, "own-buffers", LAB_BUFFERS,
    "Each TCP socket has a send buffer and a receive buffer of its own.",
    "textbooks on the sockets API; RFC 9293, 3.10.4", "the second socket is a dup() of the first", .repeats = 5)
LAB_ENTRY(window, "window", LAB_BUFFERS,
    "The peer's window never lets more bytes travel than its receive buffer takes.",
    "RFC 9293, 3.8.6; textbooks on flow control", "datagrams in place of a stream", .repeats = 5, .flags = LAB_WAITS)
LAB_ENTRY(close_delivers, "close-delivers", LAB_BUFFERS,
    "close() still delivers what is in the send buffer.",
    "RFC 9293, 3.6; close(2)", "SO_LINGER with a time of 0", .repeats = 5, .flags = LAB_WAITS)
LAB_ENTRY(close_unread, "close-unread-resets", LAB_BUFFERS,
    "close() throws away what is unread in the receive buffer, and the peer gets a reset.",
    "RFC 1122, 4.2.2.13; RFC 2525, 2.17", "everything is read first", .repeats = 5)
LAB_ENTRY(rcvbuf_any_time, "rcvbuf-any-time", LAB_BUFFERS,
    "SO_RCVBUF may be set at any time: the window follows.",
    "often told; RFC 7323, 2.2; tcp(7)", "none is set before the handshake", .repeats = 5, .flags = LAB_WAITS)
LAB_ENTRY(write_returned, "write-returned", LAB_BUFFERS,
    "When write() has returned, the peer has the data.",
    "often told; POSIX, send()", "a peer that reads at once", .repeats = 5, .flags = LAB_WAITS)

/* Closing */
LAB_ENTRY(time_wait_first, "time-wait-first-closer", LAB_CLOSING,
    "The end that sends the first FIN stays in TIME_WAIT, the other does not.",
    "RFC 9293, 3.6", "it closes with SO_LINGER 0", .repeats = 5)
LAB_ENTRY(rebind, "rebind-needs-reuseaddr", LAB_CLOSING,
    "A server that closed first cannot bind its port again without SO_REUSEADDR, and can with it.",
    "textbooks on servers; socket(7), SO_REUSEADDR", "the client closes first", .repeats = 5)
LAB_ENTRY(reuse_new, "reuseaddr-new-enough", LAB_CLOSING,
    "SO_REUSEADDR on the new server is enough.",
    "often told; socket(7), SO_REUSEADDR", "the old server had set it too", .repeats = 5)
LAB_ENTRY(half_close, "half-close", LAB_CLOSING,
    "shutdown(SHUT_WR) closes one direction, and the other still works.",
    "RFC 9293, 3.6; POSIX, shutdown()", "close() in place of shutdown()", .repeats = 5)
LAB_ENTRY(shut_rd, "shut-rd-discards", LAB_CLOSING,
    "shutdown(SHUT_RD) discards what comes later.",
    "often told; POSIX, shutdown()", "family unix", .repeats = 5)
LAB_ENTRY(write_to_closed, "write-to-closed", LAB_CLOSING,
    "A write to a connection that the peer has closed fails with EPIPE.",
    "often told; POSIX, send()", "family unix", .repeats = 5)
LAB_ENTRY(sigpipe, "sigpipe", LAB_CLOSING,
    "A write after a reset fails with EPIPE and raises SIGPIPE.",
    "POSIX, send(); signal(7)", "MSG_NOSIGNAL", .repeats = 5)
LAB_ENTRY(linger_zero, "linger-zero-resets", LAB_CLOSING,
    "With SO_LINGER and a time of 0, close() resets the connection.",
    "socket(7), SO_LINGER; textbooks on closing", "SO_LINGER is not set", .repeats = 5)
LAB_ENTRY(linger_read, "linger-until-read", LAB_CLOSING,
    "With SO_LINGER, close() waits until the peer has read everything.",
    "often told; socket(7), SO_LINGER", "more is written than the peer's buffer takes", .repeats = 5,
    .flags = LAB_WAITS)
LAB_ENTRY(linger_drops, "linger-drops-rest", LAB_CLOSING,
    "At the time limit of SO_LINGER the rest of the data is dropped.",
    "often told; POSIX, SO_LINGER", "a time of 0", .repeats = 5, .flags = LAB_WAITS)
LAB_ENTRY(reset_unread, "reset-destroys-unread", LAB_CLOSING,
    "A reset destroys what the peer has not read yet.",
    "often told; RFC 9293, 3.10.7.4", "more was sent than has arrived", .repeats = 5, .flags = LAB_WAITS)

/* clang-format on */

#ifdef LAB_ENTRY_WAS_MISSING
#undef LAB_ENTRY
#undef LAB_ENTRY_WAS_MISSING
#endif
