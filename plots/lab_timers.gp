# How long are TCP's waiting times on this kernel, and how long are they said to be? A row a time, a point an attempt.
# columns: kind place name value_s words
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
LABELS = 330.0
LINE = 46.0
set style line 11 linecolor rgb "#0072b2" linewidth 2 pointtype 7 pointsize 0.9
set style line 12 linecolor rgb "#d55e00" linewidth 2 pointtype 12 pointsize 1.6
rows = 0
near = 1e30
far = 0
see(place, value) = (rows = place > rows ? place : rows, near = value < near ? value : near, far = value > far ? value : far, 1)
stats DATA using (see(column("place"), column("value_s"))) nooutput

PANEL = LINE * rows + 84
eval set_legend(2)
eval set_page(1, PANEL)
eval set_head_and_foot(page_height(1, PANEL))
set key maxrows 2
set lmargin at screen LABELS / WIDTH
set rmargin at screen (WIDTH - 40) / WIDTH
set bmargin at screen (FOOT + BELOW) / page_height(1, PANEL)
set tmargin at screen (FOOT + PANEL - 30) / page_height(1, PANEL)
set logscale x 10
set xrange [near / 2 : far * 5]
set yrange [rows + 0.6 : 0.4]
unset ytics
unset grid
set grid xtics linestyle 8
set xtics ()
do for [power = -6:6] { set xtics add (unit_text(10.0**power, "s") 10.0**power) }
set xlabel "time (logarithmic)" font AXIS_FONT offset 0, 0.3
of(kind, value) = strcol("kind") eq kind ? value : NaN
plot DATA using (of("told", near / 2 * 1.0001)):"place":(strcol("name")) with labels right offset -1, 0 font AXIS_FONT notitle, \
    DATA using (of("seen", column("value_s"))):"place" with points linestyle 11 notitle, \
    DATA using (of("told", column("value_s"))):"place" with points linestyle 12 notitle, \
    DATA using (of("told", column("value_s"))):"place":(strcol("words")) with labels center offset 0, 1.1 font TICS_FONT textcolor rgb "#b04a00" notitle, \
    keyentry with points linestyle 11 title "measured on this kernel, every attempt", \
    keyentry with points linestyle 12 title "told"
set output
