"""A job as plain data: what becomes one record."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from jslds_bench.entries.registry import Registry
from jslds_bench.errors import UsageError

Key = tuple[str, str, str, int]
"""What names a job within a run: the labels of task, network and model, and the seed."""


def hashed(content: Any) -> str:
    """Hash of JSON values, the same whatever the order of names."""
    return hashlib.sha256(_encoded(content).encode()).hexdigest()[:32]


_encoded = json.JSONEncoder(sort_keys=True).encode  # made once, for tens of thousands of jobs


def of_seed(digest: str, seed: int) -> str:
    """The digest of the job of that seed, `digest` being what jobs share that differ in the seed alone."""
    return hashed([digest, seed])


def sources_of(entry: Any) -> Any:
    """What an entry says that it reads, as JSON values; None where it says nothing.

    Raises:
        TypeError, ValueError: they are none.
    """
    return json.loads(json.dumps(entry.sources())) if hasattr(entry, "sources") else None


@dataclasses.dataclass(frozen=True)
class Part:
    """An entry of a job: its registry name, its label, and all its parameters, defaults included.

    Attributes:
        sources: what it reads (hashes of files, say), where it says.
    """

    name: str
    label: str
    parameters: dict[str, Any]
    sources: Any = None

    def made(self, registry: Registry[Any]) -> Any:
        """The entry with these parameters."""
        fields = {f.name for f in dataclasses.fields(registry.get(self.name)) if f.init}
        return registry.make(self.name, {k: v for k, v in self.parameters.items() if k in fields})

    def check_sources(self, entry: Any) -> None:
        """Raises UsageError where what `entry`, made of this, reads is no longer what it was."""
        if self.sources and sources_of(entry) != self.sources:
            raise UsageError(
                f"what {self.label!r} reads has changed since the run was planned: start it again, what is "
                "done is kept"
            )


@dataclasses.dataclass(frozen=True)
class Job:
    """One cell of the grid, resolved: what becomes one record.

    Attributes:
        setting: the name of its setting; empty where its task cannot be made.
        network: `NO_NETWORK` where there is none.
        metrics: the names of those to compute.
        origin, caption: what the task says of its data.
        digest: hash of everything that decides the outcome.
        shared_digest: the same without the seed (`of_seed`).
        network_digest: hash of everything that decides the network, the machine and its libraries apart;
            empty where there is none.
        failure: why one of its entries cannot be made.
        refusal: why its model does not serve it.
    """

    suite: str
    setting: str
    task: Part
    network: Part
    model: Part
    seed: int
    n_trials: int
    metrics: tuple[str, ...]
    origin: str
    caption: str
    digest: str = ""
    shared_digest: str = ""
    network_digest: str = ""
    failure: str | None = None
    refusal: str | None = None

    @property
    def key(self) -> Key:
        return (self.task.label, self.network.label, self.model.label, self.seed)

    @property
    def parameters(self) -> dict[str, Any]:
        """Names and parameters of its entries, as records keep them."""
        parts = {"task": self.task, "network": self.network, "model": self.model}
        return {kind: {"name": part.name, **part.parameters} for kind, part in parts.items()}

    @property
    def content(self) -> dict[str, Any]:
        """What is to become JSON, and a job again by `of`; not copied."""
        return {**vars(self), **{kind: vars(getattr(self, kind)) for kind in ("task", "network", "model")}}

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Job:
        """The job whose `content` came back from JSON."""
        parts = {kind: Part(**content[kind]) for kind in ("task", "network", "model")}
        return cls(**{**content, **parts, "metrics": tuple(content["metrics"])})
