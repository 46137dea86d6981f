# How many segments have left after so many writes, with Nagle's algorithm and with NODELAY?
# columns: nodelay acknowledger writes segments
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
PANEL = 420
set style line 11 linecolor rgb "#0072b2" linewidth 2.6 dashtype solid  pointtype 7 pointsize 0.8
set style line 12 linecolor rgb "#56b4e9" linewidth 2.2 dashtype (2, 3) pointtype 6 pointsize 1.3
set style line 13 linecolor rgb "#d55e00" linewidth 2.6 dashtype (9, 4) pointtype 8 pointsize 0.9
set style line 14 linecolor rgb "#e6a57a" linewidth 2.2 dashtype (2, 3) pointtype 4 pointsize 1.3
array MEANING[4] = ["NODELAY off (Nagle may hold), no acknowledgement comes until all is written", \
    "NODELAY off (Nagle may hold), each write acknowledged before the next", \
    "NODELAY on (Nagle off), no acknowledgement comes until all is written", \
    "NODELAY on (Nagle off), each write acknowledged before the next"]
line_of(nodelay, acknowledger) = (nodelay eq "on" ? 2 : 0) + (acknowledger eq "fast" ? 2 : 1)
array seen[4] = [0, 0, 0, 0]
array total[4] = [0, 0, 0, 0]
lines = 0
top = 0
far = 0
see(k, x, y) = (lines = lines + (seen[k] ? 0 : 1), seen[k] = 1, total[k] = y, top = y > top ? y : top, far = x > far ? x : far, 1)
stats DATA using (see(line_of(strcol("nodelay"), strcol("acknowledger")), column("writes"), column("segments"))) nooutput

eval set_legend(lines)
eval set_page(1, PANEL)
eval set_head_and_foot(page_height(1, PANEL))
set key maxrows 4
eval set_place(1, 1, 1, PANEL)
set xrange [0:far * 1.14]
set yrange [0:top * 1.06]
step = far > 12 ? 5 : 1
set xtics 0, step, far
step = top > 12 ? 5 : 1
set ytics 0, step, top
set xlabel "writes so far" font AXIS_FONT offset 0, 0.3
set ylabel "data segments sent so far" font AXIS_FONT offset 1.5, 0
do for [k = 1:4] {
    if (seen[k]) { set label 10 + k sprintf("%.0f segments", total[k]) at first far, first total[k] offset 1.2, 0 left font AXIS_FONT }
}
of(k, value) = line_of(strcol("nodelay"), strcol("acknowledger")) == k ? value : NaN
plot for [k in "4 2 1 3"] DATA using (of(int(k), column("writes"))):"segments" with lines linestyle 10 + int(k) notitle, \
    for [k in "4 2 1 3"] DATA using (of(int(k), column("writes"))):"segments" with points linestyle 10 + int(k) notitle, \
    for [k = 1:4] keyentry with linespoints linestyle 10 + k title (seen[k] ? MEANING[k] : "")
set output
