"""Makes the experiments in this folder pytest items: `pytest harness/experiments/sndbuf.toml -k "nodelay=on"`."""

pytest_plugins = ["harness.plugin"]
