"""What a judge found in what a cut left: how much was compared, and what is wrong, in words."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Verdict:
    """`checked`: promises compared with the files. Lost, unreadable and wrong: one line each."""

    cuts: int = 0
    checked: int = 0
    unsure: int = 0
    lost: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """Return everything that must not be."""
        return [*self.unreadable, *self.lost, *self.wrong]

    def add(self, other: "Verdict", mark: str) -> None:
        """Add what another cut showed; `mark` says which."""
        self.cuts += other.cuts
        self.checked += other.checked
        self.unsure += other.unsure
        self.lost += [f"{mark}: {line}" for line in other.lost]
        self.unreadable += [f"{mark}: {line}" for line in other.unreadable]
        self.wrong += [f"{mark}: {line}" for line in other.wrong]
