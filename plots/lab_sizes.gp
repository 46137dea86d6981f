# What does the kernel make of the size that is asked for a socket buffer? Asked against read back, a panel an option.
# columns: panel option limit asked_bytes got_bytes limit_bytes
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
PANEL = 400
COLUMNS = 2
set style line 11 linecolor rgb "#0072b2" linewidth 2   pointtype 7 pointsize 0.9
set style line 12 linecolor rgb "#444444" linewidth 1.6 dashtype (9, 4)
set style line 13 linecolor rgb "#444444" linewidth 1.8 dashtype (2, 2)
set style line 14 linecolor rgb "#d55e00" linewidth 2
array option[2]
array limit[2]
array bar[2]
array least[2] = [1e30, 1e30]
array most[2] = [0, 0]
panels = 0
near = 1e30
far = 0
known(value) = value == value
see(p, asked, got, at) = (panels = p > panels ? p : panels, option[p] = strcol("option"), limit[p] = strcol("limit"), bar[p] = at, \
    least[p] = got < least[p] ? got : least[p], most[p] = got > most[p] ? got : most[p], near = asked < near ? asked : near, far = asked > far ? asked : far, 1)
stats DATA using (see(int(column("panel")), column("asked_bytes"), column("got_bytes"), column("limit_bytes"))) nooutput

eval set_legend(4)
eval set_page(1, PANEL)
set multiplot
eval set_head_and_foot(page_height(1, PANEL))
set key maxrows 4
set logscale xy 2
set xrange [near / 1.5 : far * 1.5]
set yrange [near / 1.5 : far * 3]
set xtics ()
set ytics ()
do for [bits = 8:30:3] { set xtics add (size_text(2.0**bits) 2.0**bits); set ytics add (size_text(2.0**bits) 2.0**bits) }
set xlabel "asked for with setsockopt()" font AXIS_FONT offset 0, 0.3
do for [p = 1:panels] {
    eval set_place(p, 1, COLUMNS, PANEL)
    set label 3 option[p] at graph 0, graph 1 offset 0, 0.7 left font PANEL_FONT
    set ylabel (p == 1 ? "read back with getsockopt()" : "") font AXIS_FONT offset 1.5, 0
    set label 4 "floor: " . size_text(least[p]) at first 2.6 * least[p], first least[p] left font AXIS_FONT textcolor rgb "#005a8c"
    set label 5 "ceiling: " . size_text(most[p]) at graph 1, first most[p] offset 0, -1.1 right font AXIS_FONT textcolor rgb "#005a8c"
    if (known(bar[p])) {
        set arrow 6 from first bar[p], graph 0 to first bar[p], graph 1 nohead linestyle 14
        set label 6 limit[p] . ": " . size_text(bar[p]) at first bar[p], graph 0.05 offset -0.6, 0 right font AXIS_FONT textcolor rgb "#b04a00"
    }
    plot x with lines linestyle 12 notitle, 2 * x with lines linestyle 13 notitle, \
        DATA using (column("panel") == p ? column("asked_bytes") : NaN):"got_bytes" with linespoints linestyle 11 notitle, \
        keyentry with linespoints linestyle 11 title "what was read back", \
        keyentry with lines linestyle 12 title "as asked", \
        keyentry with lines linestyle 13 title "twice what was asked", \
        keyentry with lines linestyle 14 title "largest request that has an effect (sysctl)"
    if (p == 1) { eval unset_head_and_foot }
    unset label 6
    unset arrow 6
}
unset multiplot
set output
