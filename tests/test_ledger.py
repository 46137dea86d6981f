"""The ledger of a proof: nothing written is lost, nothing half written is believed, nothing unlike is mixed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import jobs
import proofs
import pytest

from harness import ledger
from harness.ledger import Code, LedgerError, Writer, plain_c, plain_python

ROOT = Path(__file__).resolve().parent.parent


def test_entries_are_read_as_they_were_written(tmp_path: Path) -> None:
    """Every field of every kind of job, in the order of time; the folder is made."""
    path = tmp_path / "new" / "proof.jsonl"
    entries = [proofs.made("aa-busy", 1, neighbour=0.98), proofs.made("inject-50", 2),
               proofs.unfit(proofs.made(seed=3)),
               replace(proofs.made(seed=4), status=None, error="no room.", judged=(), load=None, cpu_model=None)]
    for one in entries:  # one sitting each
        with Writer(path) as writer:
            assert writer.word == ""
            writer.append(one)
    assert ledger.read(path) == ledger.Ledger(tuple(entries))


@pytest.mark.parametrize("name", list(jobs.JOBS))
def test_every_job_has_an_entry(name: str, tmp_path: Path) -> None:
    """Jobs with every verdict and every gap; what is no number (NaN, infinite) is null."""
    one = ledger.entry(jobs.JOBS[name], kind="aa-idle", injected=0, code="c", load=1.5)
    assert ledger.parse(one.line().strip()) == one
    assert len(one.judged) == len(jobs.JOBS[name].judged)
    assert [judged.verdict for judged in one.judged] == [judged.verdict.value for judged in jobs.JOBS[name].judged]


def test_values_are_kept_to_a_thousandth_of_a_percent() -> None:
    """As whole numbers, so that a line stays short."""
    judged = replace(proofs.job().judged[0], values=(0.050123, -0.0000149, 0.0))
    one = ledger.entry(replace(proofs.job(), judged=(judged,)), kind="aa-idle", injected=0, code="c", load=None)
    assert one.judged[0].values == (5012, -1, 0)
    assert len(one.line()) < 1000


def test_commit_and_changes_of_both_builds_are_told() -> None:
    """One build with changes makes the job one with changes; unknown stays unknown."""
    for base, new, changed in ((False, False, False), (True, False, True), (None, True, True), (None, False, None)):
        job = proofs.job()
        one = ledger.entry(replace(job, base=replace(job.base, dirty=base), new=replace(job.new, dirty=new)),
                           kind="aa-idle", injected=0, code="c", load=None)
        assert one.changed is changed
        assert (one.commit, one.new_commit) == (job.base.commit, job.new.commit)


# ---------------------------------------------------------------------------------------------------------------------
# What a kill leaves


@pytest.mark.parametrize("kept", [1, 40, 900])
def test_a_line_that_was_cut_off_is_told_and_skipped(kept: int, tmp_path: Path) -> None:
    """Reading tells it; the next writer cuts it off, with a word, and goes on."""
    path = tmp_path / "proof.jsonl"
    first, second, third = (proofs.made(seed=seed) for seed in (1, 2, 3))
    path.write_bytes(first.line() + second.line()[:kept])
    book = ledger.read(path)
    assert book.entries == (first,)
    assert book.words == (f"the last line of proof.jsonl was cut off in the middle ({kept} bytes) and is skipped.",)
    with Writer(path) as writer:
        assert "cut off" in writer.word and "run again" in writer.word
        writer.append(third)
    assert ledger.read(path) == ledger.Ledger((first, third))


def test_a_writer_that_is_killed_leaves_whole_lines(tmp_path: Path) -> None:
    """SIGKILL at any time: all jobs but perhaps one are there."""
    path = tmp_path / "proof.jsonl"
    program = ("import sys; from harness import ledger; import proofs\n"
               "from pathlib import Path\n"
               "with ledger.Writer(Path(sys.argv[1])) as writer:\n"
               "    for seed in range(100000): writer.append(proofs.made(seed=seed))\n")
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], cwd=ROOT,
                               env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"})
    try:
        deadline = time.monotonic() + 60
        while (not path.exists() or path.stat().st_size < 5000) and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    book = ledger.read(path)
    assert [one.seed for one in book.entries] == list(range(len(book.entries)))
    assert len(book.entries) >= 4


def test_lines_that_are_no_jobs_are_told_by_number(tmp_path: Path) -> None:
    """Whatever stands there; the jobs around it are kept."""
    good = proofs.made()
    plain = json.loads(good.line())
    rubbish = [b"", b"{", b"[]", b"null", b'{"schema":"tinygram-proof/2"}', b'{"schema":"tinygram-proof/1"}',
               *(json.dumps({**plain, **change}).encode() for change in (
                   {"extra": 1}, {"status": 9}, {"seed": "1"}, {"elapsed_s": None}, {"judged": [{}]}, {"judged": 7},
                   {"judged": [{**plain["judged"][0], "verdict": "MAYBE"}]},
                   {"judged": [{**plain["judged"][0], "ratio": "1"}]}))]
    for line in rubbish:
        path = tmp_path / "proof.jsonl"
        path.write_bytes(good.line() + line + b"\n" + good.line())
        book = ledger.read(path)
        assert book.entries == (good, good), line
        assert len(book.words) == 1 and book.words[0].startswith("line 2 of proof.jsonl is skipped: "), book.words


# ---------------------------------------------------------------------------------------------------------------------
# What cannot be read or written


def test_a_ledger_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """The first sitting begins it."""
    assert ledger.read(tmp_path / "none.jsonl") == ledger.Ledger(())


def test_a_ledger_has_one_writer(tmp_path: Path) -> None:
    """Two sittings at once would measure each other."""
    with Writer(tmp_path / "proof.jsonl"):
        with pytest.raises(LedgerError, match="another proof"):
            Writer(tmp_path / "proof.jsonl")


def test_a_place_that_takes_no_file_is_refused(tmp_path: Path) -> None:
    """A folder in its place, and a file where its folder should be; root may write anywhere else."""
    with pytest.raises(LedgerError, match="Name another file"):
        Writer(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="Name another file"):
        Writer(tmp_path / "file" / "proof.jsonl")
    with pytest.raises(LedgerError, match="cannot be read"):
        ledger.read(tmp_path)


def test_a_full_disk_takes_the_line_back() -> None:
    """/dev/full takes nothing."""
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    with Writer(Path("/dev/full")) as writer:
        with pytest.raises(LedgerError, match="No space left.*kept"):
            writer.append(proofs.made())


# ---------------------------------------------------------------------------------------------------------------------
# What measures


def test_groups_differ_where_numbers_could() -> None:
    """Code, compiler, CPU, kernel and number of CPUs part two jobs; commit, boot, load and seed do not."""
    one = proofs.made()
    for change in ({"code": "x"}, {"compiler": "x"}, {"cpu_model": None}, {"kernel": "7.0"}, {"cpus": 4}):
        assert replace(one, **change).group != one.group
    for change in ({"commit": "x"}, {"boot_id": "x"}, {"load": 9.0}, {"seed": 7}, {"changed": True}, {"kind": "x"}):
        assert replace(one, **change).group == one.group


def test_comments_and_layout_do_not_count() -> None:
    """In Python and in C; names, numbers and strings do."""
    assert plain_python('"""Why."""\nx = 1  # one\n\n\ndef f():\n    """What."""\n    return x\n') == plain_python(
        "x=1\ndef f(): return x")
    assert plain_python("x = 1") != plain_python("x = 2")
    assert (plain_c('/* a\n b */ int x; // c\nchar *s = "//no /*comment*/";')
            == plain_c('int x; char *s =\n"//no /*comment*/";'))
    assert plain_c('s = "a//b"') != plain_c('s = "a//c"')
    assert plain_c("c = '\"'; /* x */ d") == plain_c("c = '\"'; d")


def checkout(folder: Path) -> Path:
    """A small checkout with a gate, its statistics, something else, and a program of one commit."""
    (folder / "harness").mkdir(parents=True)
    (folder / "tool").mkdir()
    (folder / "harness" / "gate.py").write_text("from harness import stats\nfrom harness.arms import Arm\n")
    (folder / "harness" / "arms.py").write_text("import json\n")
    (folder / "harness" / "stats.py").write_text("ALPHA = 0.01\n")
    (folder / "harness" / "report.py").write_text("x = 1\n")
    (folder / "harness" / "gate.toml").write_text("limit = 1\n")
    (folder / "tool" / "main.c").write_text("int main(void) { return 0; }\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=n", "-c", "user.email=e", "commit", "-q", "-m", "one")
    return folder


def git(folder: Path, *words: str) -> str:
    """Runs git there."""
    return subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, text=True,
                          timeout=30).stdout.strip()


def test_digest_follows_what_measures_and_nothing_else(tmp_path: Path) -> None:
    """The gate's modules, the program at the job's commit, the declaration; not a report, not a comment."""
    root = checkout(tmp_path / "checkout")
    commit = git(root, "rev-parse", "HEAD")
    job = proofs.job()
    job = replace(job, declaration=str(root / "harness" / "gate.toml"),
                  base=replace(job.base, commit=commit, dirty=False))

    def digest(of: str = "", changed: bool = False) -> str:
        return Code(root, more=of).digest(replace(job, base=replace(job.base, dirty=changed)))
    first = digest()
    assert len(first) == 12 and digest("neighbour") != first
    (root / "harness" / "report.py").write_text("x = 2\n")
    (root / "harness" / "stats.py").write_text('"""Why."""\nALPHA = 0.01  # of a job\n')
    (root / "tool" / "main.c").write_text("/* why */ int main(void) { return 1; }\n")
    assert digest() == first  # the job was measured with the program of its commit
    assert digest(changed=True) != first  # with that of the working tree
    (root / "tool" / "main.c").write_text("/* why */ int main(void)\n{ return 0; }\n")
    assert digest(changed=True) == first
    for aside in ("lab/first.c", "bench/bare.c", "options.c"):  # of subcommands that no job runs
        (root / "tool" / aside).parent.mkdir(exist_ok=True)
        (root / "tool" / aside).write_text("int aside;\n")
    assert digest(changed=True) == first
    (root / "tool" / "arm.c").write_text("int arm;\n")
    assert digest(changed=True) != first
    (root / "tool" / "arm.c").unlink()
    (root / "harness" / "stats.py").write_text("ALPHA = 0.02\n")
    assert digest() != first
    (root / "harness" / "stats.py").write_text("ALPHA = 0.01\n")
    assert digest() == first
    (root / "harness" / "gate.toml").write_text("limit = 2\n")
    assert digest() != first


def test_digest_of_an_unknown_commit_is_refused(tmp_path: Path) -> None:
    """Rather than counted with others."""
    root = checkout(tmp_path / "checkout")
    job = proofs.job()
    with pytest.raises(LedgerError, match="cannot be told from"):
        Code(root).digest(replace(job, base=replace(job.base, commit="0" * 40, dirty=False)))


def test_all_that_judges_belongs_to_the_measuring_code() -> None:
    """Of the real gate: statistics, slices and counters are in, charts and reports are not."""
    names = {path.stem for path in ledger.measuring_modules(ROOT / "harness", "gate")}
    assert {"gate", "stats", "slices", "looks", "counters", "verdict", "fitness", "arms"} <= names
    assert not names & {"report", "chart", "cli", "markdown", "ledger", "evidence", "proof"}
