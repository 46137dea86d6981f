/*
 * entries.h: THE table of the lab. A row: LAB_ENTRY(function, "name", topic, statement, source, twist, ...), where the
 * function is lab_<function>() in the file of its subject, and further members of struct lab_entry may follow by name.
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
    "RFC 896; RFC 9293, 3.7.4", "TCP_NODELAY is on", .needs = LAB_FILTER, .repeats = 5,
    .sysctls = "net.ipv4.tcp_autocorking")
LAB_ENTRY(nagle_timer, "nagle-has-a-timer", LAB_NAGLE,
    "Nagle's algorithm holds a small segment for 200 ms.",
    "often told; RFC 896 names no time", "the socket is corked", .needs = LAB_FILTER, .repeats = 5, .flags = LAB_WAITS,
    .sysctls = "net.ipv4.tcp_autocorking net.ipv4.tcp_rto_min_us")
LAB_ENTRY(ten_letters, "ten-letters", LAB_NAGLE,
    "Ten letters typed one at a time take fewer segments with Nagle's algorithm than ten.",
    "RFC 896, \"the small-packet problem\"", "TCP_NODELAY is on", .needs = LAB_FILTER, .repeats = 5,
    .sysctls = "net.ipv4.tcp_autocorking", .picture = lab_picture_letters)
LAB_ENTRY(nodelay_segments, "nodelay-costs-no-segments", LAB_NAGLE,
    "For large files TCP_NODELAY should be on: it costs no more segments.",
    "often told; RFC 896", "every write is a full segment", .needs = LAB_FILTER, .repeats = 5,
    .sysctls = "net.ipv4.tcp_autocorking net.ipv4.tcp_rmem net.ipv4.tcp_wmem")
LAB_ENTRY(nodelay_files, "nodelay-speeds-files", LAB_NAGLE,
    "For a large file TCP_NODELAY brings speed.",
    "often told; RFC 896", "blocks of two small writes, each answered before the next", .repeats = 5,
    .flags = LAB_WAITS,
    .sysctls = "net.ipv4.tcp_autocorking net.ipv4.tcp_wmem net.ipv4.tcp_pingpong_thresh")
LAB_ENTRY(nodelay_one_segment, "nodelay-write-is-segment", LAB_NAGLE,
    "With TCP_NODELAY every write is a segment.",
    "often told; tcp(7)", "no more writes than the initial window of 10 segments", .needs = LAB_FILTER, .repeats = 5,
    .sysctls = "net.ipv4.tcp_autocorking", .picture = lab_picture_writes)
LAB_ENTRY(write_write_read, "write-write-read", LAB_NAGLE,
    "Two small writes and a read stall for as long as the other end delays its acknowledgement.",
    "RFC 1122, 4.2.3.4; RFC 9293, 3.7.4; textbooks on Nagle and delayed ACK", "TCP_NODELAY is on",
    .repeats = 5, .flags = LAB_WAITS,
    .sysctls = "net.ipv4.tcp_pingpong_thresh net.ipv4.tcp_rto_min_us")
LAB_ENTRY(nodelay_later, "nodelay-later-only", LAB_NAGLE,
    "TCP_NODELAY set in mid-stream acts on later writes only.",
    "often told; tcp(7), TCP_NODELAY", "SO_KEEPALIVE is set in place of TCP_NODELAY",
    .needs = LAB_FILTER, .repeats = 5,
    .sysctls = "net.ipv4.tcp_autocorking")
LAB_ENTRY(nodelay_cork, "nodelay-flushes-cork", LAB_NAGLE,
    "TCP_NODELAY flushes what a cork holds, in either order.",
    "tcp(7), TCP_NODELAY and TCP_CORK", "SO_KEEPALIVE is set in place of TCP_NODELAY",
    .needs = LAB_FILTER, .repeats = 5,
    .sysctls = "net.ipv4.tcp_autocorking")
LAB_ENTRY(cork_ceiling, "cork-ceiling", LAB_NAGLE,
    "What TCP_CORK or MSG_MORE holds is sent after 200 ms.",
    "tcp(7), TCP_CORK; send(2), MSG_MORE", "no cork and no MSG_MORE", .repeats = 5, .flags = LAB_WAITS,
    .sysctls = "net.ipv4.tcp_rto_min_us")
LAB_ENTRY(nodelay_msg_more, "nodelay-holds-nothing", LAB_NAGLE,
    "With TCP_NODELAY nothing is held.",
    "often told; send(2), MSG_MORE", "without MSG_MORE", .repeats = 5, .flags = LAB_WAITS,
    .sysctls = "net.ipv4.tcp_rto_min_us")
LAB_ENTRY(nodelay_delayed_acks, "nodelay-ends-delayed-acks", LAB_NAGLE,
    "TCP_NODELAY turns delayed acknowledgements off.",
    "often told; RFC 1122, 4.2.3.2", "TCP_QUICKACK in place of TCP_NODELAY", .repeats = 5, .flags = LAB_WAITS,
    .sysctls = "net.ipv4.tcp_rto_min_us")
LAB_ENTRY(quickack_once, "quickack-once", LAB_NAGLE,
    "TCP_QUICKACK switches delayed acknowledgements off.",
    "often told; tcp(7), TCP_QUICKACK", "it is set again after each read", .repeats = 5, .flags = LAB_WAITS,
    .sysctls = "net.ipv4.tcp_pingpong_thresh net.ipv4.tcp_rto_min_us")
LAB_ENTRY(autocorking, "autocorking", LAB_NAGLE,
    "With TCP_NODELAY a small write leaves TCP at once.",
    "often told; networking/ip-sysctl (tcp_autocorking)", "tcp_autocorking is 0", .needs = LAB_NAMESPACE,
    .repeats = 5,
    .sysctls = "net.ipv4.tcp_autocorking")
LAB_ENTRY(odd_segments, "odd-segments", LAB_NAGLE,
    "A short tail waits behind an odd number of full segments, and not behind an even one.",
    "often told; RFC 896; RFC 1122, 4.2.3.2", "a small segment in front of them is unacknowledged",
    .needs = LAB_FILTER, .repeats = 5,
    .sysctls = "net.ipv4.tcp_autocorking")

/* Buffers */
LAB_ENTRY(sndbuf_exact, "sndbuf-exact", LAB_BUFFERS,
    "SO_SNDBUF sets the send buffer to exactly that many bytes.",
    "POSIX, getsockopt(); socket(7), SO_SNDBUF", "the one request of twice net.core.wmem_max", .repeats = 1,
    .sysctls = "net.core.wmem_max", .picture = lab_picture_sndbuf)
LAB_ENTRY(rcvbuf_exact, "rcvbuf-exact", LAB_BUFFERS,
    "SO_RCVBUF reads back as it was set.",
    "POSIX, getsockopt(); socket(7), SO_RCVBUF", "the one request of twice net.core.rmem_max", .repeats = 1,
    .sysctls = "net.core.rmem_max", .picture = lab_picture_rcvbuf)
LAB_ENTRY(buffers_refuse, "buffers-refuse", LAB_BUFFERS,
    "A send or receive buffer that is too small or too large is refused.",
    "POSIX, setsockopt(); socket(7), SO_SNDBUF and SO_RCVBUF", "a kernel that refuses both options (injected)",
    .repeats = 1, .sysctls = "net.core.wmem_max net.core.rmem_max")
LAB_ENTRY(bigger_buffer, "bigger-is-better", LAB_BUFFERS,
    "A bigger send buffer is always gradually better.",
    "often told; socket(7), SO_SNDBUF", "only requests up to net.core.wmem_max", .repeats = 5,
    .sysctls = "net.core.wmem_max")
LAB_ENTRY(sndbuf_autotuning, "sndbuf-stops-autotuning", LAB_BUFFERS,
    "Setting SO_SNDBUF turns the autotuning of the send buffer off.",
    "tcp(7), tcp_wmem", "SO_SNDBUF is not set", .repeats = 5,
    .sysctls = "net.ipv4.tcp_wmem net.core.wmem_max")
LAB_ENTRY(rcvbuf_autotuning, "rcvbuf-stops-autotuning", LAB_BUFFERS,
    "Setting SO_RCVBUF turns the autotuning of the receive buffer off.",
    "tcp(7), tcp_moderate_rcvbuf and tcp_rmem", "SO_RCVBUF is not set", .repeats = 5,
    .sysctls = "net.ipv4.tcp_rmem net.ipv4.tcp_moderate_rcvbuf net.core.rmem_max")
LAB_ENTRY(own_buffers, "own-buffers", LAB_BUFFERS,
    "Each TCP socket has a send buffer and a receive buffer of its own.",
    "textbooks on the sockets API; RFC 9293, 3.3.1", "the second socket is a dup() of the first", .repeats = 5,
    .sysctls = "net.core.wmem_max net.core.rmem_max")
LAB_ENTRY(window, "window", LAB_BUFFERS,
    "The peer's window never lets more bytes travel than its receive buffer takes.",
    "RFC 9293, 3.8.6; textbooks on flow control", "the buffer is made smaller when its window has been announced",
    .repeats = 5, .flags = LAB_WAITS,
    .sysctls = "net.core.rmem_max net.ipv4.tcp_wmem", .picture = lab_picture_stall)
LAB_ENTRY(zero_window, "zero-window", LAB_BUFFERS,
    "A receiver that is full announces a window of zero, and opens it when its program reads.",
    "RFC 9293, 3.8.6; RFC 1122, 4.2.2.17", "a reader that reads", .repeats = 5, .flags = LAB_WAITS,
    .sysctls = "net.core.rmem_max net.ipv4.tcp_wmem")
LAB_ENTRY(close_delivers, "close-delivers", LAB_BUFFERS,
    "close() still delivers what is in the send buffer.",
    "RFC 9293, 3.6; close(2)", "SO_LINGER with a time of 0", .repeats = 5, .flags = LAB_WAITS,
    .sysctls = "net.ipv4.tcp_orphan_retries net.ipv4.tcp_max_orphans")
LAB_ENTRY(close_unread, "close-unread-resets", LAB_BUFFERS,
    "close() throws away what is unread in the receive buffer, and the peer gets a reset.",
    "RFC 1122, 4.2.2.13; RFC 2525, 2.17", "everything is read first", .repeats = 5)
LAB_ENTRY(rcvbuf_any_time, "rcvbuf-any-time", LAB_BUFFERS,
    "SO_RCVBUF may be set at any time: the window follows.",
    "often told; RFC 7323, 2.2; tcp(7)", "none is set before the handshake", .repeats = 5, .flags = LAB_WAITS,
    .sysctls = "net.ipv4.tcp_window_scaling net.core.rmem_max net.ipv4.tcp_rmem")
LAB_ENTRY(write_returned, "write-returned", LAB_BUFFERS,
    "When write() has returned, the peer has the data.",
    "often told; POSIX, send()", "the peer's program accepts and reads", .repeats = 5, .flags = LAB_WAITS,
    .sysctls = "net.ipv4.tcp_wmem")

/* Closing */
LAB_ENTRY(time_wait_first, "time-wait-first-closer", LAB_CLOSING,
    "The end that sends the first FIN stays in TIME_WAIT, the other does not.",
    "RFC 9293, 3.6", "it closes with SO_LINGER 0", .repeats = 5,
    .sysctls = "net.ipv4.tcp_max_tw_buckets")
LAB_ENTRY(rebind, "rebind-needs-reuseaddr", LAB_CLOSING,
    "A server that closed first cannot bind its port again without SO_REUSEADDR, and can with it.",
    "textbooks on servers; socket(7), SO_REUSEADDR", "the client closes first", .repeats = 5,
    .sysctls = "net.ipv4.tcp_max_tw_buckets")
LAB_ENTRY(reuse_new, "reuseaddr-new-enough", LAB_CLOSING,
    "SO_REUSEADDR on the new server is enough.",
    "often told; socket(7), SO_REUSEADDR", "the old server had set it too", .repeats = 5,
    .sysctls = "net.ipv4.tcp_max_tw_buckets")
LAB_ENTRY(half_close, "half-close", LAB_CLOSING,
    "shutdown(SHUT_WR) closes one direction, and the other still works.",
    "RFC 9293, 3.6.1; POSIX, shutdown()", "close() in place of shutdown()", .repeats = 5)
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
    "often told; socket(7), SO_LINGER", "an injected fault: the peer's kernel hears the FIN when its program has read",
    .twist_needs = LAB_FILTER, .repeats = 5, .flags = LAB_WAITS, .limit_s = 20,
    .sysctls = "net.ipv4.tcp_wmem")
LAB_ENTRY(linger_drops, "linger-drops-rest", LAB_CLOSING,
    "At the time limit of SO_LINGER the rest of the data is dropped.",
    "often told; POSIX, SO_LINGER", "a time of 0", .repeats = 5, .flags = LAB_WAITS,
    .sysctls = "net.ipv4.tcp_orphan_retries net.ipv4.tcp_max_orphans")
LAB_ENTRY(reset_unread, "reset-destroys-unread", LAB_CLOSING,
    "A reset destroys what the peer has not read yet.",
    "often told; RFC 9293, 3.10.7.4", "the reader itself dissolves the connection", .repeats = 5, .flags = LAB_WAITS)

/* Flags */
LAB_ENTRY(peek, "peek-leaves-data", LAB_FLAGS,
    "MSG_PEEK looks at data and leaves them in place.",
    "POSIX, recv()", "without MSG_PEEK", .repeats = 5)
LAB_ENTRY(waitall, "waitall-fills", LAB_FLAGS,
    "MSG_WAITALL always fills the buffer.",
    "often told; POSIX, recv()", "the missing bytes come first", .repeats = 5)
LAB_ENTRY(dontwait, "dontwait", LAB_FLAGS,
    "MSG_DONTWAIT makes one call return at once.",
    "recv(2)", "without MSG_DONTWAIT", .repeats = 5)
LAB_ENTRY(msg_dontroute, "msg-dontroute", LAB_FLAGS,
    "MSG_DONTROUTE lets one call go without a gateway, and leaves the socket as it is.",
    "POSIX, sendto(); send(2), MSG_DONTROUTE", "without MSG_DONTROUTE", .needs = LAB_NAMESPACE, .repeats = 5)
LAB_ENTRY(oob_channel, "oob-second-channel", LAB_FLAGS,
    "Urgent data are a second channel, and no urgent byte is lost.",
    "often told; RFC 6093; RFC 9293, 3.8.5", "each urgent byte is read before the next is sent", .repeats = 5,
    .flags = LAB_WAITS,
    .sysctls = "net.ipv4.tcp_stdurg")
LAB_ENTRY(oob_inline, "oob-inline", LAB_FLAGS,
    "With SO_OOBINLINE the urgent byte stands in the stream.",
    "RFC 1122, 4.2.2.4; socket(7)", "without SO_OOBINLINE", .repeats = 5,
    .sysctls = "net.ipv4.tcp_stdurg")
LAB_ENTRY(select_timeout, "select-keeps-timeout", LAB_FLAGS,
    "select() leaves its time limit alone.",
    "often told; POSIX, select(); select(2)", "the personality STICKY_TIMEOUTS", .repeats = 5)
LAB_ENTRY(select_limit, "select-limit", LAB_FLAGS,
    "select() cannot watch a descriptor of 1024 or more.",
    "often told; select(2), FD_SETSIZE", "select() is told of FD_SETSIZE descriptors", .repeats = 5,
    .sysctls = "fs.nr_open")
LAB_ENTRY(recv_end, "recv-zero-means-end", LAB_FLAGS,
    "recv() returns 0 only when the peer has closed.",
    "often told; POSIX, recv()", "TCP in place of UDP", .repeats = 5, .flags = LAB_WAITS)
LAB_ENTRY(recv_zero, "recv-zero", LAB_FLAGS,
    "recv() with a length of 0 returns at once.",
    "often told; POSIX, recv() and read()", "read() in place of recv()", .repeats = 5)
LAB_ENTRY(sa_restart, "sa-restart", LAB_FLAGS,
    "SA_RESTART lets an interrupted recv() go on.",
    "POSIX, sigaction(); signal(7)", "the socket has no SO_RCVTIMEO", .repeats = 5, .flags = LAB_WAITS)

/* Calls */
LAB_ENTRY(order_of_calls, "order-of-calls", LAB_CALLS,
    "Server: socket, bind, listen, accept; client: socket, connect; then both read and write.",
    "textbooks on the sockets API", "listen() is left out", .repeats = 1)
LAB_ENTRY(client_address, "client-address", LAB_CALLS,
    "A client gets its address and port when it calls connect().",
    "textbooks on the sockets API; POSIX, connect()", "bind() is called before", .repeats = 1,
    .sysctls = "net.ipv4.ip_local_port_range")
LAB_ENTRY(bind_any, "bind-any", LAB_CALLS,
    "A server that binds to INADDR_ANY is reached at every address of its host.",
    "ip(7); textbooks on the sockets API", "it binds to 127.0.0.1", .repeats = 1)
LAB_ENTRY(low_ports, "privileged-ports", LAB_CALLS,
    "Without a privilege nobody may bind to ports 1 to 1023.",
    "ip(7), ip_unprivileged_port_start; textbooks on servers",
    "a network namespace where ip_unprivileged_port_start is 0", .twist_needs = LAB_NAMESPACE, .repeats = 1,
    .sysctls = "net.ipv4.ip_unprivileged_port_start")
LAB_ENTRY(tcp_and_udp, "tcp-and-udp-port", LAB_CALLS,
    "The same port number serves TCP and UDP at once.",
    "RFC 6335, 3; textbooks on ports", "both sockets are TCP", .repeats = 1)
LAB_ENTRY(port_zero, "port-zero", LAB_CALLS,
    "bind() to port 0 lets the kernel choose a free port.",
    "ip(7)", "a network namespace where ip_local_port_range holds two ports for three sockets",
    .twist_needs = LAB_NAMESPACE, .repeats = 1, .sysctls = "net.ipv4.ip_local_port_range")
LAB_ENTRY(port_one_socket, "port-one-socket", LAB_CALLS,
    "A port belongs to one socket.",
    "often told; RFC 9293, 3.3.1", "a server of UDP", .repeats = 1)
LAB_ENTRY(connect_accept, "connect-waits-for-accept", LAB_CALLS,
    "connect() returns when the server accepts.",
    "often told; POSIX, accept()", "the listener's queue is full", .repeats = 5, .flags = LAB_WAITS,
    .sysctls = "net.core.somaxconn net.ipv4.tcp_abort_on_overflow")
LAB_ENTRY(listen_admits, "listen-admits", LAB_CALLS,
    "listen(n) admits n connections that wait to be accepted.",
    "often told; POSIX, listen(); listen(2)", "a network namespace where somaxconn is n - 1",
    .twist_needs = LAB_NAMESPACE, .repeats = 5, .flags = LAB_WAITS,
    .sysctls = "net.core.somaxconn net.ipv4.tcp_abort_on_overflow")
LAB_ENTRY(nonblocking_connect, "nonblocking-connect", LAB_CALLS,
    "A non-blocking connect() to the same host completes at once.",
    "often told; POSIX, connect()", "family unix", .repeats = 5)
LAB_ENTRY(connect_listener, "connect-needs-listener", LAB_CALLS,
    "connect() needs a listener at the other end.",
    "often told; RFC 9293, 3.5", "it connects to another port than its own", .repeats = 5)
LAB_ENTRY(accept_inherits, "accept-inherits", LAB_CALLS,
    "An accepted socket inherits everything of its listener.",
    "often told; accept(2)", "accept4() with SOCK_NONBLOCK", .repeats = 1)

/* UDP */
LAB_ENTRY(udp_one_to_one, "udp-one-to-one", LAB_UDP,
    "UDP takes as many reads as sends.",
    "RFC 768; textbooks on datagrams", "TCP", .repeats = 5, .flags = LAB_WAITS, .limit_s = 20,
    .sysctls = "net.core.rmem_default net.core.rmem_max")
LAB_ENTRY(udp_cuts, "udp-cuts", LAB_UDP,
    "A datagram that is larger than the reader's buffer is cut.",
    "POSIX, recv(); udp(7)", "TCP", .repeats = 5)
LAB_ENTRY(udp_drops, "udp-drops-none", LAB_UDP,
    "Over loopback no datagram is lost.",
    "often told; udp(7)", "each is read before the next is sent", .repeats = 5,
    .sysctls = "net.core.rmem_default net.core.rmem_max net.core.netdev_max_backlog")
LAB_ENTRY(slow_reader, "slow-reader", LAB_UDP,
    "A slow reader gets everything that a fast sender sent.",
    "RFC 768; RFC 9293, 3.8.6; textbooks on transport", "the sender waits for the reader after each message",
    .repeats = 5, .flags = LAB_WAITS, .limit_s = 20,
    .sysctls = "net.core.rmem_default net.core.rmem_max net.ipv4.tcp_rmem", .picture = lab_picture_slow_reader)
LAB_ENTRY(udp_refused, "udp-connected-refused", LAB_UDP,
    "A connected UDP socket is told when nobody has the port (ECONNREFUSED).",
    "RFC 1122, 4.1.3.3; udp(7)", "the socket is not connected", .repeats = 5, .flags = LAB_WAITS)
LAB_ENTRY(udp_reports, "udp-sendto-reports", LAB_UDP,
    "sendto() reports that a datagram could not be delivered.",
    "often told; POSIX, sendto()", "the datagram is longer than any can be", .repeats = 5, .flags = LAB_WAITS)
LAB_ENTRY(udp_binds, "udp-sendto-binds", LAB_UDP,
    "sendto() on a socket without an address binds one.",
    "udp(7); textbooks on datagrams", "bind() is called before", .repeats = 1,
    .sysctls = "net.ipv4.ip_local_port_range")
LAB_ENTRY(flow_control, "flow-control", LAB_UDP,
    "Flow control sets TCP and UDP apart: only TCP stops a sender whose reader sleeps.",
    "RFC 9293, 3.8.6; RFC 768; textbooks on transport", "UDP in place of TCP", .repeats = 5, .flags = LAB_WAITS,
    .sysctls = "net.ipv4.tcp_wmem net.ipv4.tcp_rmem net.core.rmem_default")

/* Numbers */
LAB_ENTRY(one_byte, "one-byte-overhead", LAB_NUMBERS,
    "A message of one byte costs 40 bytes of header: 4000 % overhead.",
    "RFC 896, \"the small-packet problem\"", "TCP's timestamps are off", .needs = LAB_NAMESPACE, .repeats = 5,
    .sysctls = "net.ipv4.tcp_timestamps")
LAB_ENTRY(delayed_ack, "delayed-ack-limit", LAB_NUMBERS,
    "An acknowledgement is delayed by less than 500 ms.",
    "RFC 1122, 4.2.3.2; RFC 9293, 3.8.6.3", "acknowledgements are lost for 700 ms", .twist_needs = LAB_FILTER,
    .repeats = 5, .flags = LAB_WAITS,
    .sysctls = "net.ipv4.tcp_rto_min_us")
LAB_ENTRY(second_segment, "every-second-segment", LAB_NUMBERS,
    "At least every second full segment is acknowledged at once.",
    "RFC 1122, 4.2.3.2; RFC 9293, 3.8.6.3", "the reader's buffer is small (no tail loss probe: tcp_early_retrans 0)",
    .twist_needs = LAB_NAMESPACE, .repeats = 5, .flags = LAB_WAITS,
    .sysctls = "net.ipv4.tcp_early_retrans net.ipv4.tcp_rto_min_us")
LAB_ENTRY(minimum_rto, "minimum-rto", LAB_NUMBERS,
    "The retransmission timeout is one second at least.",
    "RFC 6298, 2.4", "a network namespace where tcp_rto_min_us is one second", .needs = LAB_FILTER,
    .twist_needs = LAB_NAMESPACE, .repeats = 5, .flags = LAB_WAITS,
    .sysctls = "net.ipv4.tcp_rto_min_us net.ipv4.tcp_early_retrans")
LAB_ENTRY(initial_window, "initial-window", LAB_NUMBERS,
    "A fresh connection sends ten segments before the first acknowledgement.",
    "RFC 6928", "the peer's receive buffer is small", .needs = LAB_FILTER, .repeats = 5,
    .sysctls = "net.ipv4.tcp_rmem net.ipv4.tcp_wmem")
LAB_ENTRY(time_wait_length, "time-wait-fin-timeout", LAB_NUMBERS,
    "TIME_WAIT lasts tcp_fin_timeout, or 2 MSL: four minutes.",
    "often told; RFC 9293, 3.4.2 and 3.6; tcp(7), tcp_fin_timeout", "tcp_fin_timeout is 60 s",
    .needs = LAB_NAMESPACE,
    .repeats = 5, .flags = LAB_WAITS | LAB_THOROUGH,
    .sysctls = "net.ipv4.tcp_fin_timeout")
LAB_ENTRY(mtu_write, "mtu-write-one-segment", LAB_NUMBERS,
    "A write of the MTU's size travels as one segment.",
    "often told; RFC 9293, 3.7.1", "an MSS of a larger MTU", .repeats = 5,
    .sysctls = "net.ipv4.tcp_timestamps net.ipv4.tcp_mtu_probing")

/* Families */
LAB_ENTRY(families, "families-and-types", LAB_FAMILIES,
    "The families inet, inet6 and local each work as stream and as datagram.",
    "POSIX, socket(); unix(7); textbooks on the sockets API", "SOCK_SEQPACKET in place of one of them",
    .needs = LAB_INET6, .repeats = 1,
    .sysctls = "net.ipv6.conf.lo.disable_ipv6")
LAB_ENTRY(dual_stack, "inet6-serves-inet", LAB_FAMILIES,
    "A server of family inet6 that binds to any address serves clients of family inet too.",
    "RFC 3493, 3.7 and 5.3; ipv6(7), IPV6_V6ONLY", "IPV6_V6ONLY is on", .needs = LAB_INET6, .repeats = 5,
    .sysctls = "net.ipv6.bindv6only net.ipv6.conf.lo.disable_ipv6")
LAB_ENTRY(packet, "packet-needs-privilege", LAB_FAMILIES,
    "A socket of family packet needs a privilege.",
    "packet(7)", "the privilege is there", .twist_needs = LAB_NAMESPACE, .repeats = 1)
LAB_ENTRY(ipx, "ipx", LAB_FAMILIES,
    "PF_IPX is a family like PF_INET.",
    "textbooks on the sockets API; ipx(7)", "a kernel that answers socket(AF_IPX) with a descriptor (injected)",
    .repeats = 1)
LAB_ENTRY(stream_order, "stream-keeps-order", LAB_FAMILIES,
    "A stream keeps order and loses nothing, but keeps no borders of messages.",
    "POSIX, socket types; textbooks on the sockets API", "datagrams of family local", .repeats = 5)

/* Names */
LAB_ENTRY(getaddrinfo, "getaddrinfo-one-address", LAB_NAMES,
    "A host has one address.",
    "often told; RFC 6724; POSIX, getaddrinfo()", "only family inet is asked for", .repeats = 1)
LAB_ENTRY(name_one_address, "name-one-address", LAB_NAMES,
    "A name stands for one address.",
    "often told; RFC 1034, 3.6; POSIX, getaddrinfo()", "the table of hosts has one line for it",
    .needs = LAB_NAMESPACE, .repeats = 5)
LAB_ENTRY(first_address, "first-address", LAB_NAMES,
    "A client may take the first address of a name and leave the others.",
    "often told; RFC 6724; RFC 8305", "the server listens at every address", .needs = LAB_INET6, .repeats = 5,
    .sysctls = "net.ipv6.conf.lo.disable_ipv6")
LAB_ENTRY(address_kept, "address-kept", LAB_NAMES,
    "A name may be resolved once, and its address kept.",
    "often told; RFC 1035, 3.2.1; textbooks on names", "the server has not moved",
    .needs = LAB_NAMESPACE, .repeats = 5)
LAB_ENTRY(gethostbyname, "gethostbyname-is-yours", LAB_NAMES,
    "What gethostbyname() returned stays as it is.",
    "textbooks on names; gethostbyname(3)", "getaddrinfo() in place of gethostbyname()", .repeats = 1)

/* Options */
LAB_ENTRY(so_type, "so-type-fixed", LAB_OPTIONS,
    "SO_TYPE reads 1 for a stream and 2 for datagrams, and is fixed when the socket is made.",
    "socket(7), SO_TYPE; textbooks on socket options", "an injected fault: the kernel takes another type",
    .repeats = 1)
LAB_ENTRY(so_error, "so-error-clears", LAB_OPTIONS,
    "Reading SO_ERROR clears the error.",
    "POSIX, SO_ERROR", "another error comes between the two", .repeats = 5)
LAB_ENTRY(ttl_range, "ttl-range", LAB_OPTIONS,
    "IP_TTL takes 1 to 255.",
    "ip(7), IP_TTL; RFC 1122, 3.2.1.7", "an injected fault: the kernel takes every value", .repeats = 1,
    .sysctls = "net.ipv4.ip_default_ttl")
LAB_ENTRY(maxseg_range, "maxseg-range", LAB_OPTIONS,
    "TCP_MAXSEG takes 88 to 32767.",
    "tcp(7), TCP_MAXSEG", "an injected fault: the kernel takes every value", .repeats = 1)
LAB_ENTRY(multicast_ttl, "multicast-ttl", LAB_OPTIONS,
    "Multicast has a TTL of 1 unless it is set, all else a larger one.",
    "RFC 1112, 6.1; ip(7), IP_MULTICAST_TTL", "a network namespace where ip_default_ttl is 1",
    .twist_needs = LAB_NAMESPACE, .repeats = 5,
    .sysctls = "net.ipv4.ip_default_ttl")
LAB_ENTRY(keepalive_ends, "keepalive-ends", LAB_OPTIONS,
    "SO_KEEPALIVE ends a connection whose peer has fallen silent.",
    "RFC 1122, 4.2.3.6; tcp(7)", "SO_KEEPALIVE is off", .needs = LAB_FILTER, .repeats = 5, .flags = LAB_WAITS,
    .limit_s = 20,
    .sysctls = "net.ipv4.tcp_keepalive_time net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes")
LAB_ENTRY(tos, "tos-as-set", LAB_OPTIONS,
    "IP_TOS reads back as it was set.",
    "ip(7), IP_TOS; RFC 3168, 5", "UDP", .repeats = 1)
LAB_ENTRY(broadcast, "broadcast", LAB_OPTIONS,
    "A datagram to a broadcast address needs SO_BROADCAST.",
    "socket(7), SO_BROADCAST; textbooks on datagrams", "SO_BROADCAST is set", .repeats = 1)
LAB_ENTRY(so_dontroute, "so-dontroute", LAB_OPTIONS,
    "With SO_DONTROUTE only hosts of the same network are reached, none by a gateway.",
    "POSIX, SO_DONTROUTE; socket(7)", "SO_DONTROUTE is off", .needs = LAB_NAMESPACE, .repeats = 5)
LAB_ENTRY(multicast_if, "multicast-if", LAB_OPTIONS,
    "IP_MULTICAST_IF names the interface by which a datagram to a group leaves.",
    "RFC 1112, 6.1; ip(7), IP_MULTICAST_IF", "IP_MULTICAST_IF is not set", .needs = LAB_NAMESPACE, .repeats = 5,
    .flags = LAB_WAITS)
LAB_ENTRY(multicast_loop, "multicast-loop", LAB_OPTIONS,
    "IP_MULTICAST_LOOP decides whether a sender hears its own datagrams.",
    "RFC 1112, 6.1; ip(7), IP_MULTICAST_LOOP", "it is on both times",
    .needs = LAB_NAMESPACE, .repeats = 5, .flags = LAB_WAITS)
LAB_ENTRY(keepalive_idle, "keepalive-idle", LAB_OPTIONS,
    "Keepalive is off by default, and its first probe comes after two hours at least.",
    "RFC 1122, 4.2.3.6; tcp(7), tcp_keepalive_time", "a network namespace where tcp_keepalive_time is 60",
    .twist_needs = LAB_NAMESPACE, .repeats = 5,
    .sysctls = "net.ipv4.tcp_keepalive_time net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes")
LAB_ENTRY(keepalive_name, "keepalive-name", LAB_OPTIONS,
    "Keepalive's idle time, interval and count are set with TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT.",
    "tcp(7); POSIX has only SO_KEEPALIVE", "an injected fault: a system without the name TCP_KEEPIDLE",
    .repeats = 1)
LAB_ENTRY(two_listen, "reuseaddr-two-listen", LAB_OPTIONS,
    "SO_REUSEADDR lets two servers listen at one port.",
    "often told; socket(7)", "SO_REUSEPORT in place of SO_REUSEADDR", .repeats = 1)
LAB_ENTRY(reuse_alive, "reuseaddr-only-time-wait", LAB_OPTIONS,
    "SO_REUSEADDR is needed only while something is in TIME_WAIT.",
    "often told; textbooks on servers", "no connection is left", .repeats = 5,
    .sysctls = "net.ipv4.tcp_max_tw_buckets")

/* Servers */
LAB_ENTRY(zombies, "zombies", LAB_SERVERS,
    "A child that has ended stays as a zombie until it is waited for.",
    "POSIX, _exit(); wait(2); textbooks on servers", "SIGCHLD is ignored", .repeats = 5)
LAB_ENTRY(sigchld, "sigchld-each", LAB_SERVERS,
    "A SIGCHLD handler that waits for one child leaves no zombies.",
    "often told; signal(7); textbooks on servers", "it waits in a loop with WNOHANG", .repeats = 5)
LAB_ENTRY(waitpid, "waitpid-nohang", LAB_SERVERS,
    "wait() blocks while a child lives; waitpid() with WNOHANG does not.",
    "POSIX, waitpid()", "without WNOHANG", .repeats = 5)
LAB_ENTRY(fork_memory, "fork-memory", LAB_SERVERS,
    "After fork() parent and child share no memory.",
    "POSIX, fork()", "memory of mmap() with MAP_SHARED", .repeats = 5)
LAB_ENTRY(fork_shares, "fork-shares-nothing", LAB_SERVERS,
    "After fork() parent and child share nothing.",
    "often told; POSIX, fork()", "the child opens the file itself", .repeats = 5)
LAB_ENTRY(close_parent, "close-in-parent", LAB_SERVERS,
    "close() in the parent ends the connection.",
    "often told; POSIX, close(); textbooks on servers", "shutdown() before close()", .repeats = 5)
LAB_ENTRY(alarm, "alarm-cancel", LAB_SERVERS,
    "alarm(0) cancels an alarm.",
    "POSIX, alarm()", "alarm(0) is left out", .repeats = 5, .flags = LAB_WAITS)
LAB_ENTRY(signal_once, "signal-once", LAB_SERVERS,
    "A handler installed with signal() is gone after the first signal.",
    "often told; POSIX, signal(); signal(2)", "sigaction() with SA_RESETHAND", .repeats = 1)
LAB_ENTRY(process_for_each, "process-for-each", LAB_SERVERS,
    "For short connections a process for each costs a multiple of one poll() for all.",
    "textbooks on servers; fork(2), pthread_create(3), poll(2)", "each connection carries 100 exchanges",
    .repeats = 5, .flags = LAB_THOROUGH, .sysctls = "net.core.somaxconn")
LAB_ENTRY(close_wakes, "close-wakes-reader", LAB_SERVERS,
    "close() wakes a thread that waits in recv() on the socket.",
    "often told; close(2), \"Multithreaded processes\"", "shutdown() before close()", .repeats = 5, .flags = LAB_WAITS)

/* clang-format on */

#ifdef LAB_ENTRY_WAS_MISSING
#undef LAB_ENTRY
#undef LAB_ENTRY_WAS_MISSING
#endif
