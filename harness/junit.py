"""A job as JUnit XML, for every CI system that shows test results.

There is no one format: Jenkins' xUnit plugin checks against its junit-10.xsd, others against the schema of Ant's task
(windyroad/JUnit-Schema), and both allow properties in a suite but not in a test case. So a measurement is a suite of
its own: its properties are the figures, its first test case is the verdict about its time, and each of its exact
counters is one more. A canary is a suite too, and a last suite says whether the machine can judge and whether anything
is missing.

    REGRESSION, a counter that changed or varies        failure
    INCONCLUSIVE                                        skipped, with the reason as its message
    nothing judged because the machine is unfit         skipped; the test case `machine` is an error
    missing                                             error
    PASS, IMPROVEMENT                                   passed

Consumers read a skipped test as "no failure": the exit status of the gate, 3 for inconclusive, is what tells it apart.
GitLab takes the first of two test cases with one name, so names are made unlike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree as ET

from harness import wording
from harness.verdict import Counted, Job, Judged, Verdict

CLASS: Final = "tinygram.gate"
# Everything that is no character of XML 1.0 (production 2).
_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Case:
    """One test case. kind: passed, failure, error or skipped; type: the word for machines; text: what stands in it."""

    name: str
    group: str
    kind: str = "passed"
    type: str = ""
    message: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """One suite: its cases, and the figures as properties."""

    name: str
    group: str
    properties: Mapping[str, str]
    cases: tuple[Case, ...]
    out: str = ""


def text(job: Job) -> str:
    """The XML document, UTF-8, with a line feed at its end."""
    root = ET.Element("testsuites")
    for number, suite in enumerate(suites(job)):
        root.append(_element(suite, number, job))
    ET.indent(root, " ")
    return "<?xml version='1.0' encoding='UTF-8'?>\n" + ET.tostring(root, encoding="unicode") + "\n"


def suites(job: Job) -> list[Suite]:
    """What is reported: a suite a measurement, one for counters of no measurement, one a canary, one of the job."""
    names = wording.unlike([wording.name_of(item) for item in job.judged])
    left = list(job.counted)
    made = []
    for item, name in zip(job.judged, names):
        own = [counter for counter in left if counter.name == item.name]
        left = [counter for counter in left if counter.name != item.name]
        made.append(_measurement(item, name, own, bool(wording.disbelieved(job))))
    if left:
        made.append(Suite("exact counters", "counter", {}, _counters(left)))
    made += [_canary(item, name) for item, name in zip(
        job.canaries, wording.unlike([f"canary {wording.name_of(item)}" for item in job.canaries]))]
    return [*made, _job(job)]


def _measurement(item: Judged, name: str, counters: Sequence[Counted], unfit: bool) -> Suite:
    kind, message = _outcome(item, unfit)
    case = Case(name, "measurement", kind, item.verdict.value if kind != "passed" else "", message,
                "\n".join(filter(None, (wording.visible(item.question), wording.figures(item), wording.why(item)))))
    return Suite(name, "measurement", _properties(item), (case, *_counters(counters)),
                 f"{item.verdict.value}: {wording.figures(item)}. {wording.why(item)}".strip())


def _outcome(item: Judged, unfit: bool) -> tuple[str, str]:
    said = f"{item.verdict.value}: {wording.figures(item)}"
    if unfit:
        return "skipped", f"not judged, because the machine is unfit; its figures would read {said}"
    if item.verdict is Verdict.REGRESSION:
        return "failure", said
    if item.verdict is Verdict.INCONCLUSIVE:
        return "skipped", "; ".join(filter(None, (said, wording.why(item))))
    return "passed", ""


def _counters(counters: Sequence[Counted]) -> tuple[Case, ...]:
    names = wording.unlike([f"{wording.name_of(item)}: {wording.visible(item.counter) or '(no counter)'}"
                            for item in counters])
    return tuple(_counter(item, name) for item, name in zip(counters, names))


def _counter(item: Counted, name: str) -> Case:
    kind = {"same": "passed", "missing": "error"}.get(item.verdict, "failure")
    if kind == "passed":
        return Case(name, "counter")
    told = wording.visible(item.sentence)
    return Case(name, "counter", kind, f"counter {item.verdict}", told,
                "\n".join(filter(None, (told, wording.counted_as(item), wording.visible(item.mechanism or "")))))


def _canary(item: Judged, name: str) -> Suite:
    said = wording.canary_line(item)
    kind = {Verdict.PASS: "passed", Verdict.INCONCLUSIVE: "skipped"}.get(item.verdict, "error")
    case = Case(name, "canary", kind, f"canary {item.verdict.value}" if kind != "passed" else "",
                said if kind != "passed" else "", wording.why(item))
    return Suite(name, "canary", _properties(item), (case,), said)


def _job(job: Job) -> Suite:
    """The suite of the whole job."""
    machine, missing = (tuple(wording.visible(each) for each in sentences) for sentences in (job.unfit, job.missing))
    facts = {"status": str(job.status.value), "status_name": job.status.name, "sentence": wording.visible(job.sentence),
             "id": wording.visible(job.id), "seed": str(job.seed), "declaration": wording.visible(job.declaration),
             "base": wording.build_line(job.base), "new": wording.build_line(job.new),
             "machine": wording.machine_line(job), "detectable": wording.detectable_line(job)}
    return Suite("job", "job", facts, (
        Case("the machine can judge", "job", *(("error", "UNFIT", "; ".join(machine), "\n".join(machine)) if machine
                                               else ())),
        Case("nothing declared is missing", "job", *(("error", "MISSING", "; ".join(missing), "\n".join(missing))
                                                     if missing else ()))),
        "\n".join((wording.headline(job), *map(wording.visible, job.notes))))


def _properties(item: Judged) -> dict[str, str]:
    """The figures by name; one that could not be had is not there."""
    numbers = {"ratio": item.ratio, "low": item.low, "high": item.high, "confidence": item.confidence,
               "detectable": item.detectable, "p_slower": item.p_slower, "p_faster": item.p_faster,
               "base_ns": item.base_ns, "new_ns": item.new_ns, "threshold_effect": item.thresholds.effect,
               "threshold_tolerance": item.thresholds.tolerance}
    return {"verdict": item.verdict.value, "K": str(item.invocations), "invalid": str(item.invalid),
            "look": str(item.look), "work": wording.visible(item.work), "method": wording.visible(item.method),
            **{key: f"{value:.9g}" for key, value in numbers.items()
               if value is not None and wording.known(value) is not None}}


def _element(suite: Suite, number: int, job: Job) -> ET.Element:
    def of(kind: str) -> str:
        return str(sum(case.kind == kind for case in suite.cases))
    took = wording.known(job.elapsed_s) if suite.group == "job" else None
    begun = _begun(job.started_at)
    element = ET.Element("testsuite", {
        "name": _xml(suite.name), "package": f"{CLASS}.{suite.group}", "id": str(number),
        **({"timestamp": begun} if begun else {}), "hostname": "localhost", "tests": str(len(suite.cases)),
        "failures": of("failure"), "errors": of("error"), "skipped": of("skipped"), "time": f"{max(took or 0, 0):.3f}"})
    properties = ET.SubElement(element, "properties")
    for key, value in suite.properties.items():
        ET.SubElement(properties, "property", {"name": key, "value": _xml(value)})
    for case in suite.cases:
        made = ET.SubElement(element, "testcase", {
            "name": _xml(case.name), "classname": f"{CLASS}.{case.group}", "time": "0"})
        if case.kind != "passed":
            said = ET.SubElement(made, case.kind, {"message": _xml(case.message)})
            said.text = _xml(case.text)
            if case.kind != "skipped":  # which has no type in some of the schemas
                said.set("type", _xml(case.type))
    ET.SubElement(element, "system-out").text = _xml(suite.out)
    ET.SubElement(element, "system-err")
    return element


def _begun(started_at: str) -> str:
    """The time as Ant's schema wants it: without a zone; empty where it is no time."""
    try:
        begun = datetime.fromisoformat(started_at)
        begun = begun.astimezone(UTC) if begun.tzinfo else begun
    except (ValueError, OverflowError):
        return ""
    return begun.replace(tzinfo=None).isoformat(timespec="seconds")


def _xml(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
