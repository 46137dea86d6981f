# What becomes of a fast sender's bytes at a slow reader, by UDP and by TCP? Bytes sent and read over time.
# columns: panel transport time_s sent_bytes read_bytes
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
PANEL = 380
COLUMNS = 2
set style line 11 linecolor rgb "#000000" linewidth 2.2 dashtype solid  pointtype 7 pointsize 0.5
set style line 12 linecolor rgb "#009e73" linewidth 2.2 dashtype (9, 4) pointtype 5 pointsize 0.5
array transport[2]
array last[2] = [0, 0]
array sent[2] = [0, 0]
array arrived[2] = [0, 0]
panels = 0
top = 0
see(p, time, out, in) = (panels = p > panels ? p : panels, transport[p] = strcol("transport"), last[p] = time, sent[p] = out, arrived[p] = in, top = out > top ? out : top, 1)
stats DATA using (see(int(column("panel")), column("time_s") * 1e3, column("sent_bytes"), column("read_bytes"))) nooutput

eval set_legend(3)
eval set_page(1, PANEL)
set multiplot
eval set_head_and_foot(page_height(1, PANEL))
set key maxrows 3
set yrange [0:top * 1.1 / 1e6]
set xlabel "time since the first message (ms)" font AXIS_FONT offset 0, 0.3
do for [p = 1:panels] {
    eval set_place(p, 1, COLUMNS, PANEL)
    set xrange [0:last[p] * 1.02]
    set label 3 transport[p] at graph 0, graph 1 offset 0, 0.7 left font PANEL_FONT
    set ylabel (p == 1 ? "megabytes" : "") font AXIS_FONT offset 1.5, 0
    lost = sent[p] - arrived[p]
    set label 4 (lost > 0 ? sprintf("lost: %.2f of %.2f MB", lost / 1e6, sent[p] / 1e6) : sprintf("all %.2f MB arrived", sent[p] / 1e6)) \
        at graph 0.97, graph 0.38 right front font PANEL_FONT textcolor rgb (lost > 0 ? "#b00020" : "#00694b")
    plot DATA using (column("panel") == p ? column("time_s") * 1e3 : NaN):(column("read_bytes") / 1e6):(column("sent_bytes") / 1e6) \
            with filledcurves fillcolor rgb "#dfe9ee" fillstyle solid noborder notitle, \
        DATA using (column("panel") == p ? column("time_s") * 1e3 : NaN):(column("sent_bytes") / 1e6) with linespoints linestyle 11 notitle, \
        DATA using (column("panel") == p ? column("time_s") * 1e3 : NaN):(column("read_bytes") / 1e6) with linespoints linestyle 12 notitle, \
        keyentry with linespoints linestyle 11 title "handed to the sender's kernel", \
        keyentry with linespoints linestyle 12 title "read by the slow reader", \
        keyentry with boxes fillcolor rgb "#dfe9ee" fillstyle solid title "not read yet: in a buffer, or lost"
    if (p == 1) { eval unset_head_and_foot }
}
unset multiplot
set output
