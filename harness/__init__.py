"""The harness of tinygram: reads an experiment, runs its trials with build/tinygram, keeps them, and reports.

Each module imports only modules above it: schema, experiment, plan, machine, pair, store, summary, stats, chart,
report, cli, plugin.
"""
