# How does goodput change with the size of each write(), with Nagle (NODELAY off) and without (NODELAY on)?
# columns: kind panel panel_title nodelay level place spread modes low high goodput_bytes_per_s
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
VALUE = "goodput_bytes_per_s"
UNIT = "B/s"
Y_LABEL = "goodput"
X = "size"
X_LABEL = "bytes in each write()"
COLUMNS = 2
DIAGONAL = 0
SHARE = 0
load "plots/body/panels.gp"
