"""One run of the suite: its backend, its order, and the report that coaches."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from rustygrad.errors import RustygradError
from rustygrad.plugins import registry

from . import lifetime, target
from .hints import failing_first
from .stages import STAGES, Stage, stage_of

__all__ = ["SESSION", "Session"]

#: With --rustygrad-brief, how many failures are shown.
BRIEF: Final = 20
#: Where a run keeps it.
SESSION = pytest.StashKey["Session"]()


class Session:
    """The plugin object of a run that asked for the suite.

    Args:
        config: the run's configuration.

    Raises:
        UsageError: no backend is named, or the one named does not load.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.name = config.option.rustygrad_backend or os.environ.get("RUSTYGRAD_BACKEND", "")
        if not self.name.strip():
            raise pytest.UsageError(
                "which backend? Say --rustygrad-backend NAME, or set RUSTYGRAD_BACKEND. "
                f"Installed: {', '.join(map(repr, registry().names('backend')))}. "
                "One that no plugin offers yet goes by its place: module:attribute."
            )
        try:
            self.backend = target.load(self.name)
        except (RustygradError, ImportError, AttributeError) as error:
            raise pytest.UsageError(str(error)) from error
        self.brief = config.option.rustygrad_brief
        self.depth = config.option.rustygrad_depth
        self.child: lifetime.Child | None = None
        self.known = dict(target.expected_failures(self._offered_name()))
        self.outcomes: dict[str, dict[str, list[str]]] = {stage.name: {} for stage in STAGES}
        self.selected: dict[str, int] = {}
        self.stages: dict[str, Stage] = {}
        self.first_failure: tuple[str, str] | None = None
        # Derandomized: the same programs in every run, so that a failure stays until it is mended.
        settings.register_profile(
            "rustygrad-conformance",
            max_examples=config.option.rustygrad_examples,
            derandomize=True,
            deadline=None,
            database=None,
            print_blob=False,
            report_multiple_bugs=False,
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        settings.load_profile("rustygrad-conformance")

    def _offered_name(self) -> str:
        return self.name if ":" not in self.name else str(self.backend.name)

    # --- which tests, in which order ---

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sort the suite by stage, and mark the failures that the backend's plugin declares."""
        order = {stage.name: i for i, stage in enumerate(STAGES)}

        def rank(item: pytest.Item) -> int:
            stage = stage_of(item.path)
            return order[stage.name] if stage else -1

        items.sort(key=rank)
        names = set()
        for item in items:
            stage = stage_of(item.path)
            if stage:
                self.stages[item.nodeid] = stage
                names.add(item.name)
                reason = self.known.get(item.name)
                if reason is not None:
                    item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
        unknown = sorted(self.known.keys() - names)
        if unknown and len(set(self.stages.values())) == len(STAGES):
            raise pytest.UsageError(
                f"expected_failures of {self.name!r} names tests that do not exist: "
                f"{', '.join(unknown)}"
            )

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count what will run."""
        for item in session.items:
            stage = self.stages.get(item.nodeid)
            if stage:
                self.selected[stage.name] = self.selected.get(stage.name, 0) + 1
        if self.depth > 100_000 and any("million" in item.name for item in session.items):
            self.start_child()  # now, so that it runs beside the other tests

    def start_child(self) -> lifetime.Child:
        """The process that goes a million nodes deep, started if it is not yet."""
        if self.child is None:
            self.child = lifetime.Child(self.name, self.depth)
        return self.child

    def pytest_unconfigure(self) -> None:
        """Leave no process behind."""
        if self.child is not None:
            self.child.stop()

    # --- the report ---

    def pytest_report_header(self) -> str:
        """Say which backend is judged, and how."""
        numerics = getattr(self.backend, "numerics", "no numerics stated: exact")
        return f"rustygrad backend: {self.name} ({numerics})"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the outcome of each test."""
        stage = self.stages.get(report.nodeid)
        if stage is None or (report.passed and report.when != "call"):
            return
        outcome = report.outcome
        if hasattr(report, "wasxfail"):
            outcome = "expected to fail"  # type: ignore[assignment]
        name = report.nodeid.partition("::")[2]  # a parameter may hold colons too
        self.outcomes[stage.name].setdefault(outcome, []).append(name)
        if report.failed and self.first_failure is None:
            self.first_failure = name, _reason(report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Generator[None, object, object]:
        """Say how far the backend is, stage by stage, and what to do next; last of all."""
        hidden = self._hide(terminalreporter.stats) if self.brief else {}
        result = yield  # the failures, and the list of them
        for category, reports in hidden.items():
            terminalreporter.stats[category] += reports
        count = sum(map(len, hidden.values()))
        if count:
            terminalreporter.line(f"... and {count} more, which -v shows.")
        terminalreporter.section(f"rustygrad conformance of {self.name!r}")
        for line in self._lines():
            terminalreporter.line(line)
        return result

    def _hide(self, stats: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Take the failures away that are not shown, and give them."""
        failing = self._failing()
        hidden: dict[str, list[Any]] = {}
        left = BRIEF
        for category in ("error", "failed"):
            shown = [
                r for r in stats.get(category, []) if self.stages.get(r.nodeid) in (None, failing)
            ]
            shown = shown[:left]
            left -= len(shown)
            hidden[category] = [r for r in stats.get(category, []) if r not in shown]
            if hidden[category]:
                stats[category] = shown
        return {category: reports for category, reports in hidden.items() if reports}

    def _failing(self) -> Stage | None:
        """The first stage that is not done."""
        return next((s for s in STAGES if self.outcomes[s.name].get("failed")), None)

    def _lines(self) -> Iterator[str]:
        for number, stage in enumerate(STAGES, 1):
            yield f"{number:>3} {stage.name:<10} {self._state(stage):<32} {stage.about}"
        failing = self._failing()
        if failing is None:
            ran = sum(len(names) for by in self.outcomes.values() for names in by.values())
            done = ran and ran == sum(self.selected.values())
            yield "All that ran is right." if done else "Nothing failed, and not all was run."
            return
        failures = self.outcomes[failing.name]["failed"]
        cls = getattr(self.backend, "Value", None)
        if cls is not None and getattr(cls, "_backend", None) is not self.backend:
            yield (
                "First: set Value._backend = backend. The class of Values says by it whose they are."
            )
        yield f"Next: {failing.name}, {len(failures)} to mend. {failing.advice}"
        if self.first_failure and self.first_failure[0] in failures:
            name, reason = self.first_failure
            yield f"Begin with {name}"
            if reason:
                yield f"    {reason}"
            hint = "" if reason.startswith("Looks like: ") else failing_first(name)
            if hint:
                yield f"    {hint}"

    def _state(self, stage: Stage) -> str:
        wanted = self.selected.get(stage.name, 0)
        if not wanted:
            return "not selected"
        parts = [
            f"{len(names)} {what}" for what, names in sorted(self.outcomes[stage.name].items())
        ]
        missing = wanted - sum(map(len, self.outcomes[stage.name].values()))
        if missing:
            parts.append("not reached" if missing == wanted else f"{missing} not reached")
        return ", ".join(parts)


def _reason(report: pytest.TestReport) -> str:
    """The first line of what went wrong, or the hint if there is one."""
    text = str(getattr(getattr(report.longrepr, "reprcrash", None), "message", ""))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    hints = [line for line in lines if line.startswith("Looks like: ")]
    return (hints or lines or [""])[0]
