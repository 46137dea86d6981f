# What happens to a sender whose reader sleeps, and when it reads? Bytes taken, sent and read over time, and the window.
# columns: time_s taken_bytes sent_bytes read_bytes window_bytes buffer_bytes
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
PANEL = 250
set style line 11 linecolor rgb "#000000" linewidth 2   dashtype solid  pointtype 7  pointsize 0.4
set style line 12 linecolor rgb "#0072b2" linewidth 2.4 dashtype solid  pointtype 9  pointsize 0.6
set style line 13 linecolor rgb "#009e73" linewidth 2   dashtype (9, 4) pointtype 5  pointsize 0.4
set style line 14 linecolor rgb "#d55e00" linewidth 2.4 dashtype solid  pointtype 13 pointsize 0.6
set style line 15 linecolor rgb "#444444" linewidth 1.8 dashtype (2, 2)

# When the window was 0 for the first and the last time in one piece, and the last look before the reader read.
closed = NaN
opened = NaN
woke = NaN
room = 0
last = 0
top = 0
widest = 0
known(value) = value == value
see_window(time, bytes) = bytes == 0 && !known(opened) ? (closed = known(closed) ? closed : time) : known(closed) && !known(opened) ? (opened = time) : 0
stats DATA using (see_window(column("time_s") * 1e3, column("window_bytes")), \
    woke = column("read_bytes") == 0 ? column("time_s") * 1e3 : woke, room = column("buffer_bytes"), \
    last = column("time_s") * 1e3, top = column("taken_bytes") > top ? column("taken_bytes") : top, \
    widest = column("window_bytes") > widest ? column("window_bytes") : widest, 1) nooutput

eval set_legend(4)
eval set_page(2, PANEL)
set multiplot
eval set_head_and_foot(page_height(2, PANEL))
set key maxrows 4 width 2
set xrange [0:last]
set format y "%.0f"
eval set_place(1, 2, 1, PANEL)
set yrange [0:top * 1.12]
set ytics 20000
set ylabel "bytes of the connection" font AXIS_FONT offset 1.5, 0
set label 3 "the program sleeps, the sender writes" at graph 0, graph 1 offset 0, 0.7 left font PANEL_FONT
if (known(woke)) {
    set label 4 "the program reads" at first woke, graph 1 offset 0.3, 0.7 left font PANEL_FONT
    set arrow 4 from first woke, graph 0 to first woke, graph 1 nohead linestyle 9
}
plot DATA using (column("time_s") * 1e3):"sent_bytes":"taken_bytes" with filledcurves fillcolor rgb "#cccccc" fillstyle pattern 4 noborder notitle, \
    DATA using (column("time_s") * 1e3):"read_bytes":"sent_bytes" with filledcurves fillcolor rgb "#cfe6f5" fillstyle solid noborder notitle, \
    DATA using (column("time_s") * 1e3):"taken_bytes" with linespoints linestyle 11 notitle, \
    DATA using (column("time_s") * 1e3):"sent_bytes" with linespoints linestyle 12 notitle, \
    DATA using (column("time_s") * 1e3):"read_bytes" with linespoints linestyle 13 notitle, \
    DATA using (column("time_s") * 1e3):"buffer_bytes" with lines linestyle 15 notitle, \
    keyentry with linespoints linestyle 11 title "taken from the writer: write() returned", \
    keyentry with linespoints linestyle 12 title "sent", \
    keyentry with linespoints linestyle 13 title "read by the program", \
    keyentry with lines linestyle 15 title sprintf("size of the receive buffer, %.0f bytes", room), \
    keyentry with boxes fillcolor rgb "#cccccc" fillstyle pattern 4 title "waits in the send buffer", \
    keyentry with boxes fillcolor rgb "#cfe6f5" fillstyle solid title "waits in the receive buffer", \
    keyentry with linespoints linestyle 14 title "window that the receiver announced last (below)"
eval unset_head_and_foot
unset label 4

eval set_place(2, 2, 1, PANEL)
set yrange [0:widest * 1.18]
set ytics 10000
set xlabel "time since the first write (ms)" font AXIS_FONT offset 0, 0.3
set ylabel "window (bytes)" font AXIS_FONT offset 1.5, 0
set label 3 "what the sender may still send: the window that the receiver announces" at graph 0, graph 1 offset 0, 0.7 left font PANEL_FONT
if (known(closed) && known(opened)) {
    set arrow 5 from first closed, graph 0.16 to first opened, graph 0.16 heads filled size screen 0.008, 18 linecolor rgb "#d55e00" linewidth 1.6
    set label 5 sprintf("window of 0 for %.0f ms", opened - closed) at first (closed + opened) / 2, graph 0.16 offset 0, 0.8 center font AXIS_FONT textcolor rgb "#b04a00"
}
plot DATA using (column("time_s") * 1e3):"window_bytes" with steps linestyle 14 notitle, \
    DATA using (column("time_s") * 1e3):"window_bytes" with points linestyle 14 notitle
unset multiplot
set output
