"""The rig's commands: each takes its options and gives an exit status.

They import what they need themselves, like those of `stimloop.commands`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop import console

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable
    from pathlib import Path

    from stimloop.rig.conduct import Conducted, Outcome
    from stimloop.rig.enact import Enacted

DONE, FAILED = 0, 1
SIMULATED = "sim://"


def rig(options: argparse.Namespace) -> int:
    """Does a device keep its obligations? Exit status 1 if not."""
    from stimloop.rig.conduct import Verdict, catalogue, conduct, selected
    from stimloop_hw.keys import find_key

    if options.list:
        print(catalogue(), end="")
        return DONE
    if options.diff is not None:
        return _compare(*options.diff)
    if options.device is None:
        raise ValueError("a device is needed: give --device URL, or --list for the obligations")
    conducted = conduct(
        options.device,
        selected(options.suites),
        key=find_key(options.key),
        witness=options.witness,
        on_outcome=(lambda _: None) if options.json else _print_outcome,
    )
    played: list[Enacted] = []
    if options.report is not None:
        if not options.suites:
            own = options.device.startswith(SIMULATED)
            played = _play([], None if own else options.device, options)
        _write(options.report, conducted, played, options)
    verdicts = [o.verdict for o in conducted.outcomes] + [p.verdict for p in played]
    counts = {str(verdict): verdicts.count(verdict) for verdict in Verdict}
    if options.json:
        outcomes = [
            {
                "suite": outcome.obligation.suite,
                "obligation": outcome.obligation.name,
                "verdict": outcome.verdict,
                "said": outcome.said,
            }
            for outcome in conducted.outcomes
        ]
        console.print_json({**counts, "outcomes": outcomes, "scenarios": _rows(played)})
    else:
        print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
        print(console.NOTICE)
        if options.report is not None:
            print(f"Evidence: {options.report / 'report.html'}")
    good = conducted.is_good and all(p.is_good for p in played)
    return DONE if good else FAILED


def _print_outcome(outcome: Outcome) -> None:
    asked = outcome.obligation
    said = [outcome.said] if outcome.said else []
    console.print_verdict(outcome.verdict, f"{asked.suite:<9} {asked.name}", *said)


def _write(
    directory: Path, conducted: Conducted, played: list[Enacted], options: argparse.Namespace
) -> None:
    from stimloop.rig.evidence import write_evidence
    from stimloop.rig.measure import measure
    from stimloop.rig.obligation import Broken
    from stimloop_hw import StimloopError
    from stimloop_hw.keys import find_key

    key = find_key(options.key)
    try:
        measured = measure(options.device, key=key, witness=options.witness)
    except (Broken, StimloopError):
        measured = None  # the obligations say what is wrong with it
    write_evidence(directory, conducted, played, measured)


def _compare(before: Path, after: Path) -> int:
    from stimloop.rig.pack import differences, read_evidence

    found = differences(read_evidence(before), read_evidence(after))
    for difference in found:
        mark = "worse: " if difference.worse else ""
        print(
            f"{difference.about:<7} {difference.name}: "
            f"{mark}{difference.before} → {difference.after}"
        )
    results = [difference for difference in found if difference.about == "result"]
    print(f"{len(results)} results differ, {len(found) - len(results)} other values")
    return FAILED if results else DONE


def scenario(options: argparse.Namespace) -> int:
    """What has to come of what goes wrong: scenarios, on their own devices or on one."""
    from stimloop.rig.scenario import catalogue

    if options.list:
        print(catalogue(), end="")
        return DONE
    played = _play(options.scenarios, options.device, options)
    if options.json:
        console.print_json({"scenarios": _rows(played)})
    return DONE if all(p.is_good for p in played) else FAILED


def _play(names: list[str], device: str | None, options: argparse.Namespace) -> list[Enacted]:
    from stimloop.rig.enact import enact
    from stimloop.rig.scenario import chosen
    from stimloop_hw.keys import find_key

    key, played = find_key(options.key), []
    for name, asked in chosen(names).items():
        done = enact(
            name, asked, url=device, key=key, witness=options.witness if device else None
        )
        played.append(done)
        if not options.json:
            console.print_verdict(done.verdict, f"scenario  {name}", *done.said)
    return played


def _rows(played: Iterable[Enacted]) -> list[dict[str, object]]:
    return [{"scenario": p.name, "verdict": p.verdict, "said": p.said} for p in played]


def doctor(options: argparse.Namespace) -> int:
    """What this machine lacks, each with its remedy; exit status 1 if anything is bad."""
    from dataclasses import asdict

    from stimloop.rig.doctor import State, examine

    findings = examine(options.device, fix=options.fix)
    if options.json:
        console.print_json({"findings": [asdict(finding) for finding in findings]})
    else:
        console.print_findings(findings)
    return FAILED if any(finding.state is State.BAD for finding in findings) else DONE
