# Does a bigger send buffer stop the sender less often? Stops against the size that is asked for.
# columns: asked_bytes stops limit_bytes
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
PANEL = 340
set style line 11 linecolor rgb "#0072b2" linewidth 2 pointtype 7 pointsize 1.1
set style line 14 linecolor rgb "#d55e00" linewidth 2
near = 1e30
far = 0
top = 0
limit = NaN
known(value) = value == value
see(asked, count, at) = (near = asked < near ? asked : near, far = asked > far ? asked : far, top = count > top ? count : top, limit = at, 1)
stats DATA using (see(column("asked_bytes"), column("stops"), column("limit_bytes"))) nooutput

eval set_legend(2)
eval set_page(1, PANEL)
eval set_head_and_foot(page_height(1, PANEL))
set key maxrows 2
eval set_place(1, 1, 1, PANEL)
set logscale x 2
set xrange [near / 1.4 : far * 1.4]
set yrange [0 : top * 1.15]
set xtics ()
do for [bits = 0:31] { if (2.0**bits >= near / 1.2 && 2.0**bits <= far * 1.2) { set xtics add (size_text(2.0**bits) 2.0**bits) } }
set xlabel "SO_SNDBUF asked for" font AXIS_FONT offset 0, 0.3
set ylabel "stops: the send buffer was full" font AXIS_FONT offset 1.5, 0
if (known(limit)) {
    set arrow 6 from first limit, graph 0 to first limit, graph 1 nohead linestyle 14
    set label 6 "net.core.wmem_max: " . size_text(limit) at first limit, graph 0.95 offset 0.8, 0 left font AXIS_FONT textcolor rgb "#b04a00"
}
plot DATA using "asked_bytes":"stops" with lines linestyle 11 smooth unique notitle, \
    DATA using "asked_bytes":"stops" with points linestyle 11 notitle, \
    keyentry with linespoints linestyle 11 title "stops while the same bytes are sent: every attempt a point, the line joins their means", \
    keyentry with lines linestyle 14 title "largest request that has an effect (sysctl)"
set output
