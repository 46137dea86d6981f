# Does the median chunk spend its time inside write() or in flight, as SO_SNDBUF grows?
# columns: kind panel panel_title nodelay level place spread modes low high time_s
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
VALUE = "time_s"
UNIT = "s"
Y_LABEL = "time"
X = "size"
X_LABEL = "effective SO_SNDBUF"
COLUMNS = 2
DIAGONAL = 0
SHARE = 1
load "plots/body/panels.gp"
