"""The report on a proof: it rounds against the gate, keeps groups apart, and leaves nothing out in silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import jobs
import proofs
from running import ROOT

from harness import ledger
from harness.evidence import claims, groups
from harness.ledger import Entry, Ledger
from harness.proof_report import report
from harness.verdict import Verdict

FALSE = "A/A, idle: jobs with a false verdict"


def test_report_rounds_against_the_gate() -> None:
    """Bad shares and upper bounds up, good ones down."""
    text = report(Ledger(tuple([*proofs.repeated("aa-idle", 299), *proofs.repeated("inject-50", 59)])), "x.jsonl")
    assert f"| {FALSE} | at most 1 % | 299 | 0 | 0 % | at most 0.997 % | shown |" in text
    assert "| 5 % injected: jobs that find it | at least 95 % | 59 | 59 | 100 % | at least 95.049 % | shown |" in text
    wrong = [proofs.says(proofs.made(), Verdict.REGRESSION), *proofs.repeated("aa-idle", 5)]
    text = report(Ledger(tuple(wrong)), "x.jsonl")
    assert f"| {FALSE} | at most 1 % | 6 | 1 | 16.667 % | at most 58.181 % | not shown yet: asked 473, have 6;" in text


def test_report_of_one_job_less_than_asked_does_not_say_shown() -> None:
    """298 jobs bound the rate at 1.0003 %, which must not read as 1 %."""
    text = report(Ledger(tuple(proofs.repeated("aa-idle", 298))), "x.jsonl")
    assert "at most 1.001 % | not shown yet: asked 299, have 298 |" in text


def test_report_says_where_when_and_with_what() -> None:
    """Machine, commit, compiler, time, load, and which measurements do what."""
    entries = [proofs.made(seed=seed, at=f"2026-11-22T2{seed}:00:00Z", load=seed / 10) for seed in (1, 2, 3)]
    entries.append(proofs.made("aa-busy", 4, at="2026-11-22T19:00:00Z", neighbour=0.97, changed=True, load=None))
    text = report(Ledger(tuple(entries)), "proof.jsonl")
    for words in ("Invented CPU 3000 @ 2.0 GHz, 2 CPUs, Linux 6.18.0", "2026-11-22T19:00:00Z to 2026-11-22T23:00:00Z",
                  "4 jobs", f"`{proofs.CODE}`, gcc 12.2.0 -O2 -g", "`3f2a91c00000`",
                  "1 jobs with changes that no commit",
                  "median 0.20, highest 0.30; unknown before 1 jobs", "97% to 97% of another CPU",
                  "took 30.0 s (median; asked: about 30 s), the longest 30.1 s (asked: at most 180 s: kept by all 3)",
                  "| aa-idle | ping\\_pong | 3 | 0 | 0 | 3, 0, 0 |", "| 3.120 % |"):
        assert words in text, words
    assert "pooled" not in text


def test_a_late_job_is_told() -> None:
    """Rounded up: 180.01 s is not 180.0 s."""
    text = report(Ledger((proofs.made(), proofs.made(elapsed_s=180.01))), "x.jsonl")
    assert "the longest 180.1 s (asked: at most 180 s: **missed by 1 of 2**)" in text


def test_groups_are_not_mixed_and_pools_are_explained() -> None:
    """Other code: its own part, the newest first. Other commits and boots of one code: one part, which says why."""
    old = [proofs.made(seed=seed, code="old", at=f"2026-11-20T0{seed}:00:00Z") for seed in range(5)]
    new = [proofs.made(seed=7, commit="a" * 40), proofs.made(seed=8, commit="b" * 40, boot_id="other")]
    for entries in ((*old, *new), (*new, *old)):
        text = report(Ledger(entries), "x.jsonl")
        now, _, before = text.partition("## Earlier group 1")
        assert "There are 2 groups of jobs that must not be counted together" in now
        assert f"{FALSE} | at most 1 % | 2 |" in now and "pooled: 2 commits and 2 boots." in now
        assert f"{FALSE} | at most 1 % | 5 |" in before and "pooled" not in before


def test_jobs_against_the_gate_can_be_looked_up() -> None:
    """When, kind, seed, load, and what was said; many are thinned out, and that is told."""
    wrong = [proofs.says(one, Verdict.REGRESSION, 1.0312) for one in proofs.repeated("aa-idle", 45)]
    text = report(Ledger(tuple(wrong)), "x.jsonl")
    assert "| 2026-11-22T20:00:00Z | aa-idle | 45 | 0.10 | ping\\_pong: REGRESSION 1.0312 at K = 12 |" in text
    assert "The newest 40 of 45; the ledger has all." in text
    good = report(Ledger(tuple(proofs.repeated("aa-idle", 2))), "x.jsonl")
    assert "count against the gate" not in good


def test_skipped_lines_and_unknown_kinds_are_told() -> None:
    """Nothing disappears in silence."""
    text = report(Ledger((proofs.made(), proofs.made(seed=2)), ("line 3 of x is skipped.",)), "x")
    assert "- line 3 of x is skipped." in text
    strange = replace(proofs.made(), kind="aa-moon")
    assert "1 jobs of kind 'aa-moon', which is unknown here" in report(Ledger((strange,)), "x")


def test_hostile_words_stay_in_their_cell() -> None:
    """What machines and jobs call themselves breaks neither a table nor a line."""
    one = proofs.unfit(proofs.made(cpu_model=jobs.HOSTILE, compiler=jobs.HOSTILE))
    one = replace(one, unfit=(jobs.HOSTILE,), judged=(replace(one.judged[0], name=jobs.HOSTILE), *one.judged[1:]))
    text = report(Ledger((one, replace(one, status=None, error=jobs.HOSTILE))), "x")
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.replace("\\\\", "").replace("\\|", "").count("|") in (6, 8, 10), line
    assert "\x1b" not in text and "\r" not in text and "<f>" not in text


def told(group: Sequence[Entry]) -> str:
    """What the README says of a group of jobs without a miss."""
    hits = {claim.what: (claim.hits, claim.tried) for claim in claims(group)}
    false = [hits[f"A/A, {where}: jobs with a false verdict"] for where in ("idle", "busy neighbour")]
    found = [hits[f"{percent} % injected: jobs that find it"] for percent in (5, 10)]
    lost = [hits[f"NODELAY lost, {where}: jobs that find it by the count of stalls"]
            for where in ("idle", "busy neighbour")]
    none = "no" if false[0][0] + false[1][0] == 0 else "a"
    return (f"{none} false verdict in {false[0][1]} + {false[1][1]} jobs of a build against itself "
            "(idle, and with a busy neighbour), "
            f"5 % of slowness found in {found[0][0]} of {found[0][1]} jobs, "
            f"10 % in {found[1][0]} of {found[1][1]}, "
            f"a lost TCP_NODELAY in {lost[0][0] + lost[1][0]} of {lost[0][1] + lost[1][1]}.")


def test_the_readme_says_what_the_ledger_holds() -> None:
    """Its numbers are those of a group of the committed ledger, and the report beside it is made from all of it."""
    folder = ROOT / "results" / "baseline"
    book = ledger.read(folder / "prove-gate.jsonl")
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert [group for group in groups(book) if told(group) in readme]
    assert (folder / "prove-gate.md").read_text(encoding="utf-8") == report(book, "prove-gate.jsonl")
