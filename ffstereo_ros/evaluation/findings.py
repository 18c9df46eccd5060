"""What the doctor says: a verdict and a remedy a line."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["ok", "note", "warn", "bad"]


@dataclass(frozen=True)
class Finding:
    """One line.

    Attributes:
        level: ok, note (worth knowing), warn (depth suffers) or bad (depth is wrong).
        check: what was looked at.
        text: what was found, with units.
        remedy: what to do, empty where nothing is to be done.
    """

    level: Level
    check: str
    text: str
    remedy: str = ""

    def line(self) -> str:
        """For a terminal."""
        return f"{self.level.upper():4} {self.check:<11} {self.text}" + (f"; {self.remedy}" if self.remedy else "")

    def as_dict(self) -> dict[str, str]:
        """For a JSON file."""
        return asdict(self)


def is_bad(findings: list[Finding]) -> bool:
    """True if one of them makes depth wrong."""
    return any(finding.level == "bad" for finding in findings)
