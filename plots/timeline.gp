# Which byte was written, sent, received, read and acknowledged when, with Nagle's algorithm and with NODELAY?
# columns: panel kind time_s end_s bytes words more_words nodelay
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
COLUMNS = 2
PANEL = 300
KINDS = "written left arrived read acked"
array MEANING[5] = ["written: write() is called", "sent: TCP handed the segment to the device", \
    "arrived in the receiving kernel", "read() has returned at the receiver", "acknowledged: the ACK is back at the sender"]
set style line 11 linecolor rgb "#000000" linewidth 2.6 dashtype solid pointtype 7 pointsize 0.5
set style line 12 linecolor rgb "#0072b2" linewidth 2 dashtype solid pointtype 9 pointsize 0.7
set style line 13 linecolor rgb "#56b4e9" linewidth 1.6 dashtype solid pointtype 13 pointsize 0.7
set style line 14 linecolor rgb "#009e73" linewidth 1.6 dashtype solid pointtype 5 pointsize 0.4
set style line 15 linecolor rgb "#e69f00" linewidth 2 dashtype (6, 4) pointtype 11 pointsize 0.7
set style line 16 linecolor rgb "#000000" linewidth 1.4 pointtype 6 pointsize 1.1
set style line 17 linecolor rgb "#d55e00" linewidth 1.8

panels = 0
notes = ""
request = ""
array title[16]
array reach[16]
array side[16]
array seen[6] = [0, 0, 0, 0, 0, 0]
top = 0
see_panel(p, end, bytes, words) = (panels = p > panels ? p : panels, reach[p] = end, top = bytes > top ? bytes : top, title[p] = words, 1)
see_side(p, nodelay) = (side[p] = nodelay eq "off" ? 1 : nodelay eq "on" ? 2 : 3, 1)
stats DATA using (strcol("kind") eq "panel" ? see_panel(int(column("panel")), column("end_s"), column("bytes"), strcol("words")) \
    + see_side(int(column("panel")), strcol("nodelay")) : 1) nooutput
stats DATA using (request = strcol("kind") eq "panel" && column("panel") == 1 ? strcol("more_words") : request, \
    notes = strcol("kind") eq "note" ? strcol("words") : notes, 1) nooutput
do for [k = 1:5] {
    stats DATA using (seen[k] = strcol("kind") eq word(KINDS, k) ? 1 : seen[k], 1) nooutput
}
stats DATA using (seen[6] = strcol("kind") eq "reply" ? 1 : seen[6], 1) nooutput

rows = (panels + COLUMNS - 1) / COLUMNS
eval set_legend(4)
eval set_page(rows, PANEL)
set multiplot
eval set_head_and_foot(page_height(rows, PANEL))
set key maxrows 3 width 2
set label 4 request . (notes eq "" ? "" : "; " . notes) at screen 16 / WIDTH, screen 1 - 117 / page_height(rows, PANEL) left font AXIS_FONT

set yrange [0:top * 1.28]
do for [p = 1:panels] {
    eval set_place(p, rows, COLUMNS, PANEL)
    long = reach[p] >= 2e-3
    scale = long ? 1e3 : 1e6
    set xrange [0:reach[p] * scale]
    set label 3 NODELAY_TITLE[side[p]] . ": " . title[p] at graph 0, graph 1 offset 0, 0.7 left font PANEL_FONT
    if (p % 2 == 0) { set label 3 title[p] }
    set xlabel (p <= panels - COLUMNS ? "" : long ? "time since the first write() (ms)" : "time since the first write() (microseconds)") font AXIS_FONT offset 0, 0.3
    set ylabel (p % 2 == 1 ? "bytes of the connection" : "") font AXIS_FONT offset 1.2, 0
    is(kind) = column("panel") == p && strcol("kind") eq kind
    plot for [k = 1:5] DATA using (is(word(KINDS, k)) ? column("time_s") * scale : NaN):"bytes" with steps linestyle 10 + k notitle, \
        for [k = 1:5] DATA using (is(word(KINDS, k)) && column("time_s") > 0 && column("time_s") <= reach[p] ? column("time_s") * scale : NaN):"bytes" \
            with points linestyle 10 + k notitle, \
        DATA using (is("reply") ? column("time_s") * scale : NaN):"bytes" with points linestyle 16 notitle, \
        DATA using (is("hold") || is("beyond") ? column("time_s") * scale : NaN):"bytes":((column("end_s") - column("time_s")) * scale):(0) \
            with vectors heads filled size screen 0.008, 18 linestyle 17 notitle, \
        for [k = 1:2] DATA using (is("hold") ? column("time_s") * scale : NaN):"bytes":(strcol(word("words more_words", k))) \
            with labels left offset 0.6, 2.8 - k font AXIS_FONT textcolor rgb "#b04a00" notitle, \
        for [k = 1:2] DATA using (is("beyond") ? column("end_s") * scale : NaN):"bytes":(strcol(word("words more_words", k))) \
            with labels right offset 0, 2.8 - k font AXIS_FONT textcolor rgb "#b04a00" notitle, \
        for [k = 1:2] DATA using (is("narrow") ? column("time_s") * scale : NaN):"bytes":(strcol(word("words more_words", k))) \
            with labels left offset 0, 1 - k font AXIS_FONT textcolor rgb "#444444" notitle, \
        for [k = 1:5] keyentry with linespoints linestyle 10 + k title (seen[k] ? MEANING[k] : ""), \
        keyentry with points linestyle 16 title (seen[6] ? "the exchange ends: its reply is read" : "")
    if (p == 1) { eval unset_head_and_foot; unset label 4 }
}
unset multiplot
set output
