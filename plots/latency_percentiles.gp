# How long do the slow chunks take: latency by percentile, with Nagle (NODELAY off) and without (NODELAY on)?
# columns: panel panel_title nodelay quantile latency_s
# A blank line ends the curve of one trial.
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
panels = 0
array title[64]
array seen[3] = [0, 0, 0]
low = 1e300
last = 0.9
high = 0
see(p, quantile, latency) = (panels = p > panels ? p : panels, last = quantile > last ? quantile : last, \
    latency > 0 && latency < low ? (low = latency) : 0, latency > high ? (high = latency) : 0, 1)
stats DATA using (see(int(column("panel")), column("quantile"), column("latency_s"))) nooutput
stats DATA using (title[int(column("panel"))] = strcol("panel_title"), \
    side = strcol("nodelay") eq "off" ? 1 : strcol("nodelay") eq "on" ? 2 : 3, seen[side] = 1, 1) nooutput
COLUMNS = panels == 1 ? 1 : panels % 3 == 0 || panels > 6 ? 3 : 2
PANEL = COLUMNS == 1 ? 366 : 256
rows = (panels + COLUMNS - 1) / COLUMNS
eval set_legend(seen[1] + seen[2] + seen[3])
eval set_page(rows, PANEL)
set multiplot
eval set_head_and_foot(page_height(rows, PANEL))

# One scale for all panels. x is 1 / (1 - quantile): each step to the right is ten times rarer.
set logscale xy
set xrange [1:(last < 0.99 ? 130 : 1500)]
set xtics ("0" 1, "50" 2, "90" 10, "99" 100, "99.9" 1000)
set yrange [low / 1.3:high * 1.3]
set ytics ()
marks = high / low < 8 ? "1 2 3 5" : high / low < 150 ? "1 2 5" : "1"
do for [k = floor_log(low, 10):ceil_log(high, 10)] {
    do for [mark in marks] { set ytics add (unit_text(mark * 10.0**k, "s") mark * 10.0**k) }
}
do for [p = 1:panels] {
    eval set_place(p, rows, COLUMNS, PANEL)
    set label 3 title[p] at graph 0, graph 1 offset (COLUMNS == 3 ? -5 : 0), 0.7 left font (COLUMNS == 3 && panels > 9 ? AXIS_FONT : PANEL_FONT)
    set xlabel (p > panels - COLUMNS ? "percentile (%)" : "") font AXIS_FONT offset 0, 0.3
    plot for [side = 1:3] DATA using (column("panel") == p && strcol("nodelay") eq NODELAY[side] \
            ? 1 / (1 - column("quantile")) : NaN):(column("latency_s") > 0 ? column("latency_s") : low) \
            with lines linestyle side linewidth 1.2 notitle, \
        for [side = 1:3] keyentry with lines linestyle side title (seen[side] ? NODELAY_TITLE[side] : "")
    if (p == 1) { eval unset_head_and_foot }
}
unset multiplot
set output
