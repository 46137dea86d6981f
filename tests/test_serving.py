"""Servers of somebody else as the other end of an arm."""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path

import pytest

from harness import declaration, serving, slices
from harness.arms import Arm, Contest, Server
from harness.declaration import DeclarationError

PROGRAM = Path(os.environ.get("TINYGRAM", Path(__file__).resolve().parent.parent / "build" / "tinygram"))
FAKE = Path(__file__).resolve().parent / "fake_slices.py"
SERVER = textwrap.dedent("""
    import os, signal, socket, sys, time
    with open("started", "a") as log:
        print(os.getpid(), sorted(os.sched_getaffinity(0)), os.sched_getscheduler(0), file=log)
    spin_s = float(sys.argv[2]) * 1e-6
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        got = 0
        while got < 64:
            part = connection.recv(64 - got)
            if not part:
                time.sleep(60)  # it does not end by itself
            got += len(part)
        end = time.perf_counter() + spin_s
        while time.perf_counter() < end:
            pass
        connection.sendall(bytes(64))
""")
HEAD = """question = "?"
[[measurement]]
name = "small"
question = "?"
pattern = "w64,r64"
canary = true
"""
BOTH = '[arm.base]\nserver = ["a", "{port}"]\n[arm.new]\nserver = ["b", "{port}"]\n'


def contest(folder: Path, new: str = "0", program: Path | None = None) -> Contest:
    (folder / "server.py").write_text(SERVER, encoding="utf-8")
    base, other = (Arm(program=program, server=Server((sys.executable, "server.py", "{port}", spin), folder))
                   for spin in ("0", new))
    return Contest("small", "?", (("pattern", "w64,r64"), ("sched", "batch")), base, other)


def started(folder: Path) -> list[str]:
    path = folder / "started"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def gone(folder: Path) -> bool:
    return not any(Path("/proc", line.split()[0]).exists() for line in started(folder))


def test_ports_are_free_and_differ() -> None:
    """No two arms share a port; none is the port of a connection."""
    found = serving.free_ports({"base": Arm(), "new": Arm()})
    assert len(set(found.values())) == 2 and all(1024 < port < 65536 for port in found.values())


def test_a_contest_without_servers_stays_as_it_is() -> None:
    """Nothing is started, and nothing is said."""
    both = Contest("small", "?", (("pattern", "w64,r64"),), Arm(), Arm())
    with serving.serving(both) as (ready, running):
        assert ready == both and running.servers == {} and running.told() == ""


def test_the_fake_is_told_the_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either arm gets a port of its own, the same one as its server; both servers are ended."""
    monkeypatch.setenv("FAKE_SLICES_LOG", str(tmp_path / "log"))
    found = slices.invoke(FAKE, contest(tmp_path, program=FAKE), 1, None)
    assert found.problem is None
    words = (tmp_path / "log").read_text(encoding="utf-8").split()
    ports = [word for word in words if word.startswith("connect=")]
    assert len(set(ports)) == 2
    assert gone(tmp_path)


def test_a_server_made_slower_is_found(tmp_path: Path) -> None:
    """The real program, a real server: 100 us more in each reply are many times what an exchange takes."""
    for attempt in range(3):
        found = slices.invoke(PROGRAM, contest(tmp_path, "100"), attempt + 1, None)
        if found.value is not None:
            break
    assert found.problem is None
    assert found.value is not None and found.value > 0.5
    told = [line.split(" ", 1)[1] for line in started(tmp_path)]
    assert set(told) == {f"[{min(os.sched_getaffinity(0))}] {os.SCHED_BATCH}"}
    assert gone(tmp_path)


def test_a_server_that_dies_is_told(tmp_path: Path) -> None:
    """Its status and its last words stand in the sentence."""
    both = contest(tmp_path, "nonsense")
    found = slices.invoke(PROGRAM, both, 1, None)
    assert found.value is None
    assert "The server of new had ended with status 1; it said:" in str(found.problem)
    assert "could not convert string to float: 'nonsense'" in str(found.problem)
    assert not found.machine_at_fault and gone(tmp_path)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    """No exception; the other server, started before, is ended."""
    both = contest(tmp_path)
    lost = Contest("small", "?", both.options, both.base, Arm(server=Server(("./nothing", "{port}"), tmp_path)))
    found = slices.invoke(PROGRAM, lost, 1, None)
    assert found.problem == "the server of new (./nothing {port}) cannot be started: No such file or directory."
    assert gone(tmp_path)


def test_an_interrupt_ends_the_servers(tmp_path: Path) -> None:
    """Nothing is left running."""
    with pytest.raises(KeyboardInterrupt), serving.serving(contest(tmp_path)) as (_, running):
        pids = [server.pid for server, _ in running.servers.values()]
        raise KeyboardInterrupt
    assert len(pids) == 2 and not any(Path("/proc", str(pid)).exists() for pid in pids)


def test_the_documented_example_is_a_declaration(tmp_path: Path) -> None:
    """What results/README.md shows can be used as it stands."""
    text = (Path(__file__).resolve().parent.parent / "results" / "README.md").read_text(encoding="utf-8")
    path = tmp_path / "server-gate.toml"
    path.write_text(text.split("```toml\n", 1)[1].split("```", 1)[0], encoding="utf-8")
    found = declaration.load(path)
    assert found.new.server == Server(("./new-server", "{port}"), tmp_path)
    assert [one.name for one in found.measurements] == ["small_request"]


def test_a_declaration_names_servers(tmp_path: Path) -> None:
    """Their folder is that of the file."""
    path = tmp_path / "gate.toml"
    path.write_text(HEAD + BOTH, encoding="utf-8")
    found = declaration.load(path)
    assert found.base.server == Server(("a", "{port}"), tmp_path) and str(found.new.server) == "b {port}"
    assert found.base != found.new


@pytest.mark.parametrize("text, said", [
    (HEAD + '[arm.base]\nserver = ["a", "{port}"]\n', r"\[arm.new\] has no 'server' and the other arm has one"),
    (HEAD + BOTH.replace('"b", "{port}"', '"b"'), r"\[arm.new\]: 'server' has no \{port\}"),
    (HEAD + BOTH.replace('["b", "{port}"]', '"b {port}"'), "write its command line as a list"),
    (HEAD.replace('pattern = "w64,r64"', 'bytes = "1M"') + BOTH, "'small': a server of yours answers a `pattern`"),
    (HEAD + 'exact = ["writes"]\n' + BOTH, "would not see your server"),
    (HEAD + 'family = "unix"\n' + BOTH, "family unix has none"),
    (HEAD + 'cpus = "split"\n' + BOTH, "leave 'cpus' out")])
def test_what_cannot_be_measured_with_a_server(tmp_path: Path, text: str, said: str) -> None:
    """Each mistake has its own sentence."""
    path = tmp_path / "gate.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DeclarationError, match=said):
        declaration.load(path)
