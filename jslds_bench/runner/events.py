"""What a worker says to its runner (`worker` tells when), and whether it may."""

from __future__ import annotations

from typing import Any

EVENTS: dict[str, dict[str, tuple[type, ...]]] = {
    "ready": {"environment": (dict,)},
    "begin": {"keys": (list,)},
    "stage": {"done": (int, float), "total": (int, float), "text": (str,)},
    "finished": {"key": (list,), "status": (str,), "reason": (str, type(None))},
    "quiet": {},
    "loud": {},
    "note": {"text": (str,)},
    "idle": {},
    "fatal": {"message": (str,)},
}


def is_event(event: dict[str, Any], group: list[tuple[Any, ...]]) -> bool:
    """Whether `event` is one that a worker sends, and is of the jobs of its `group`."""
    fields = EVENTS.get(event["event"])
    if fields is None or not all(isinstance(event.get(k, ...), kinds) for k, kinds in fields.items()):
        return False
    if not {"key", "keys"} & fields.keys():
        return True
    keys = event["keys"] if "keys" in fields else [event["key"]]
    return bool(keys) and all(isinstance(key, list) and tuple(key) in group for key in keys)
