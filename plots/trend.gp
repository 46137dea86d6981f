# Is any commit slower or faster than the anchor release? A panel a measurement, a colour a CPU model, a point a job.
# columns: kind panel place model ratio low high spread tolerance verdict label
# kind is panel (label, tolerance), model (label), commit (place, label) or point; points of one panel and model follow
# each other, and one without a ratio breaks their line.
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
COLUMNS = 2
LEFT = 84.0
array title[64]
array tolerance[64]
array far[64]
array model[6]
array place_label[256]
panels = 0
models = 0
places = 0
slower = 0
faster = 0
do for [p = 1:64] { far[p] = 1.0; tolerance[p] = NaN }
is(kind) = strcol("kind") eq kind
known(value) = value == value
reach(p, ratio) = known(ratio) && ratio > far[p] ? (far[p] = ratio) : known(ratio) && 1 / ratio > far[p] ? (far[p] = 1 / ratio) : 1
add_panel(p, words, width) = (panels = p, title[p] = words, tolerance[p] = width, 1)
stats DATA using (is("panel") ? add_panel(int(column("panel")), strcol("label"), column("tolerance")) : 1) nooutput
stats DATA using (is("model") ? (models = models + 1, model[int(column("model"))] = strcol("label"), 1) : 1, \
    is("commit") ? (places = places + 1, place_label[int(column("place"))] = strcol("label"), 1) : 1) nooutput
stats DATA using (is("point") ? (reach(int(column("panel")), column("ratio")), reach(int(column("panel")), column("low")), \
    reach(int(column("panel")), column("high")), 1) : 1) nooutput
stats DATA using (slower = is("point") && strcol("verdict") eq "REGRESSION" ? 1 : slower, \
    faster = is("point") && strcol("verdict") eq "IMPROVEMENT" ? 1 : faster, 1) nooutput
if (panels == 1) { COLUMNS = 1 }
rows = (panels + COLUMNS - 1) / COLUMNS
PANEL = 190.0
LABELS = 116.0
ring = places > 24 ? 1.0 : 1.6
set style line 51 linecolor rgb "#d55e00" linewidth 1.8 pointtype 6 pointsize ring
set style line 52 linecolor rgb "#0072b2" linewidth 1.8 pointtype 4 pointsize ring
BAND = "#e4efe4"

# All tolerances are said when they are the same, else only what the band is.
same = 1
do for [p = 1:panels] { same = known(tolerance[p]) && known(tolerance[1]) && tolerance[p] == tolerance[1] ? same : 0 }
band_title = same ? sprintf("less than %.3g %% from that; a bar that ends below the upper edge excludes a slowdown of %.3g %%", tolerance[1] * 100, tolerance[1] * 100) \
    : "less than the tolerance of the measurement from that; a bar that ends below the upper edge excludes such a slowdown"

eval set_legend(models + 2 + slower + faster)
height = HEAD + FOOT + rows * PANEL + LABELS
eval (PNG ? "set terminal pngcairo font 'sans,10.5'" : "set terminal svg font 'sans-serif,14'") \
    . sprintf(" noenhanced background rgb 'white' size %d,%d; set output OUT", WIDTH, height)
set multiplot
eval set_head_and_foot(height)
apart = models > 1 ? 0.16 : 0.0
at(place, m, spread) = place + apart * (m - (models + 1) / 2.0) * 2 / models + spread * 0.22 / models
set xrange [0.4 : places + 0.6]
step = ceil(places / (COLUMNS == 1 ? 28.0 : 13.0))
text(ratio) = far_now > 2.1 ? sprintf("x %g", ratio) : ratio == 1 ? "same" : sprintf("%+.3g %%%%", (ratio - 1) * 100)
# An empty cell would be left out of the line; a NaN breaks it.
gap(cell) = cell eq "" ? NaN : real(cell)
of(p, m, value) = is("point") && column("panel") == p && column("model") == m ? value : NaN
called(p, verdict, value) = is("point") && column("panel") == p && strcol("verdict") eq verdict ? value : NaN

do for [p = 1:panels] {
    row = (p - 1) / COLUMNS
    side = (p - 1) % COLUMNS
    set lmargin at screen (side * WIDTH / COLUMNS + LEFT) / WIDTH
    set rmargin at screen ((side + 1) * WIDTH / COLUMNS - 24) / WIDTH
    set tmargin at screen (height - HEAD - row * PANEL - 26) / height
    set bmargin at screen (height - HEAD - (row + 1) * PANEL + 10) / height
    # At least as much is shown as the band and half of it; twice and half are equally far from 1.
    least = 1 + 1.6 * (known(tolerance[p]) ? tolerance[p] : 0.05)
    far_now = far[p] ** 1.08 > least ? far[p] ** 1.08 : least
    set logscale y 2
    set yrange [1 / far_now : far_now]
    set ytics ()
    ticks = far_now > 30 ? "0.001 0.01 0.1 1 10 100 1000 10000" : far_now > 5 ? "0.1 0.2 0.5 1 2 5 10 20" \
        : far_now > 2.1 ? "0.2 0.33 0.5 1 2 3 5" : far_now > 1.4 ? "0.5 0.7 0.85 1 1.2 1.5 2" \
        : far_now > 1.18 ? "0.7 0.8 0.9 1 1.1 1.2 1.3" : "0.9 0.95 1 1.05 1.1 1.15"
    do for [tick in ticks] { set ytics add (text(real(tick)) real(tick)) }
    set xtics ()
    bottom = p > panels - COLUMNS
    do for [k = 1:places:step] { set xtics add ((bottom ? place_label[k] : "") k) }
    if (bottom) { set xtics rotate by 50 right offset 0.5, -0.1 }
    if (known(tolerance[p])) {
        set object 1 rectangle from graph 0, first 1 / (1 + tolerance[p]) to graph 1, first 1 + tolerance[p] \
            behind fillcolor rgb BAND fillstyle solid noborder
    }
    set arrow 9 from graph 0, first 1 to graph 1, first 1 nohead linewidth 1 linecolor rgb "#444444" back
    set label 3 title[p] at graph 0, graph 1 offset 0, 0.7 left font PANEL_FONT
    set label 4 "up is slower" at graph 1, graph 1 offset 0, 0.7 right font TICS_FONT textcolor rgb "#777777"
    plot for [m = 1:models] DATA using (of(p, m, at(column("place"), m, column("spread")))):(gap(strcol("ratio"))) with lines linecolor rgb SERIES_COLOUR[m] \
            linewidth 1 dashtype m notitle, \
        for [m = 1:models] DATA using (of(p, m, at(column("place"), m, column("spread")))):(column("low")):(0):(column("high") - column("low")) \
            with vectors nohead linecolor rgb SERIES_COLOUR[m] linewidth 2 notitle, \
        for [m = 1:models] DATA using (of(p, m, at(column("place"), m, column("spread")))):(column("ratio")) with points linestyle 20 + m notitle, \
        DATA using (called(p, "REGRESSION", at(column("place"), column("model"), column("spread")))):(column("ratio")) with points linestyle 51 notitle, \
        DATA using (called(p, "IMPROVEMENT", at(column("place"), column("model"), column("spread")))):(column("ratio")) with points linestyle 52 notitle, \
        for [m = 1:models] keyentry with linespoints linestyle 20 + m title model[m], \
        keyentry with lines linewidth 1 linecolor rgb "#444444" title "as fast as the anchor release", \
        keyentry with boxes fillcolor rgb BAND fillstyle solid border linecolor rgb "#bbbbbb" title band_title, \
        keyentry with points linestyle 51 title (slower ? "called a regression" : ""), \
        keyentry with points linestyle 52 title (faster ? "called an improvement" : "")
    if (p == 1) { eval unset_head_and_foot }
    unset object 1
}
unset multiplot
set output
