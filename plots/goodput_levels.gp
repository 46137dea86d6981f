# How does goodput differ between the levels of a factor (congestion control, MSS, way of sending)?
# columns: kind panel panel_title nodelay level place spread modes low high goodput_bytes_per_s
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
VALUE = "goodput_bytes_per_s"
UNIT = "B/s"
Y_LABEL = "goodput"
X = "level"
X_LABEL = ""
COLUMNS = 2
DIAGONAL = 0
SHARE = 0
load "plots/body/panels.gp"
