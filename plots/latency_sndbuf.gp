# How long does a chunk take from write() to read(), the median one and the 99th percentile, as SO_SNDBUF grows?
# columns: kind panel panel_title nodelay level place spread modes low high latency_s
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
VALUE = "latency_s"
UNIT = "s"
Y_LABEL = "chunk latency"
X = "size"
X_LABEL = "effective SO_SNDBUF"
COLUMNS = 2
DIAGONAL = 0
SHARE = 1
load "plots/body/panels.gp"
