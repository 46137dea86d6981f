# Where does NODELAY help and where does it cost: goodput with NODELAY on by goodput with it off, over write size and SO_SNDBUF?
# columns: x y sndbuf write_size ratio modes
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
columns = 0
rows = 0
extreme = 2.0
array sndbuf[64]
array write_size[64]
see(at, on, r) = (columns = at > columns ? at : columns, rows = on > rows ? on : rows, extreme = r > extreme ? r : extreme, \
    extreme = 1 / r > extreme ? 1 / r : extreme, 1)
stats DATA using (see(int(column("x")), int(column("y")), column("ratio"))) nooutput
stats DATA using (sndbuf[int(column("x"))] = strcol("sndbuf"), write_size[int(column("y"))] = strcol("write_size"), 1) nooutput
PANEL = 106 + 44 * rows
CELL_FONT = sprintf(",%.1f", (columns > 13 ? 13 * 15.0 / (columns + 2) : 13) * POINT)
if (columns > 13) {
    set xtics rotate by -35
    BELOW = BELOW + 30
    PANEL = PANEL + 30
}
eval set_legend(0)
eval set_page(1, PANEL)
eval set_head_and_foot(page_height(1, PANEL))
eval set_place(1, 1, 1, PANEL)
set rmargin at screen (WIDTH - 130) / WIDTH

# Logarithms to base 2, so that twice and half are equally far from 1; the colours are those of NODELAY off and on.
# Beyond 8 and 1/8 the colour stays the same, so that one extreme cell does not make all others pale.
span = log(extreme) / log(2) > 3 ? 3 : log(extreme) / log(2)
set cbrange [-span:span]
set palette defined (-1 "#0072b2", -0.5 "#7fb8d8", 0 "#f7f7f7", 0.5 "#eaae7f", 1 "#d55e00")
set cbtics ()
do for [k = -int(span):int(span)] { set cbtics add ((k < 0 ? sprintf("1/%.0f", 2.0**(-k)) : sprintf("%.0f", 2.0**k)) k) }
if (extreme > 8) { set cbtics add ("8 or more" 3, "1/8 or less" -3) }
set colorbox user origin screen (WIDTH - 112) / WIDTH, graph 0 size screen 16 / WIDTH, graph 1

set xrange [0.5:columns + 0.5]
set yrange [0.5:rows + 0.5]
set xtics ()
do for [k = 1:columns] { set xtics add (sndbuf[k] k) }
set ytics ()
do for [k = 1:rows] { set ytics add (write_size[k] k) }
unset grid
set label 3 "NODELAY on / NODELAY off, by bytes in each write()" at graph 0, graph 1 offset 0, 0.7 left font PANEL_FONT
set xlabel "effective SO_SNDBUF" font AXIS_FONT offset 0, 0.3
ratio_text(r) = sprintf(r >= 9.995 ? "%.0f" : r >= 0.0995 ? "%.2f" : "%.3f", r)
octaves(r) = log(r) / log(2)
two_modes = "(column('modes') == 2)"
text_colour(modes, r) = modes == 2 ? 0x000000 : abs(octaves(r)) > 0.7 * span ? 0xffffff : 0x000000
plot DATA using (@two_modes ? column("x") : NaN):"y":(column("x") - 0.49):(column("x") + 0.49) \
        :(column("y") - 0.48):(column("y") + 0.48) with boxxyerror fillstyle solid noborder fillcolor rgb "#dddddd" notitle, \
    DATA using (@two_modes ? NaN : column("x")):"y":(column("x") - 0.49):(column("x") + 0.49) \
        :(column("y") - 0.48):(column("y") + 0.48):(octaves(column("ratio"))) \
        with boxxyerror fillstyle solid noborder fillcolor palette notitle, \
    DATA using "x":"y":(@two_modes ? "2 modes" : ratio_text(column("ratio"))):(text_colour(column("modes"), column("ratio"))) \
        with labels font CELL_FONT textcolor rgb variable notitle
set output
