# How much do kernel timestamps change what they measure: latency and CPU time with them by those without?
# columns: kind panel place label unit modes low high value
call "plots/style.gp" ARG1 ARG2 ARG3 ARG4
RATIO = 1
load "plots/body/rows.gp"
