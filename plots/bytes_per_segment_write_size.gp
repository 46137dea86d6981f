# How many bytes does a data segment carry, by the size of each write(), with Nagle (NODELAY off) and without (NODELAY on)?
# columns: kind panel panel_title nodelay level place spread modes low high bytes_per_segment
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
VALUE = "bytes_per_segment"
UNIT = "B"
Y_LABEL = "bytes per segment"
X = "size"
X_LABEL = "bytes in each write()"
COLUMNS = 2
DIAGONAL = 1
SHARE = 0
load "plots/body/panels.gp"
