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


def is_event(event: dict[str, Any], group: list[tuple[Any, ...]], ready: bool) -> bool:
    """Whether a worker, `ready` or not yet, would send `event` now that `group` is what is left to it."""
    fields = EVENTS.get(event["event"])
    if fields is None or not all(isinstance(event.get(k, ...), kinds) for k, kinds in fields.items()):
        return False
    if (event["event"] == "idle" and group) or (event["event"] == "ready" and ready):
        return False
    if not {"key", "keys"} & fields.keys():
        return True
    keys = event["keys"] if "keys" in fields else [event["key"]]
    return bool(keys) and all(isinstance(key, list) and tuple(key) in group for key in keys)
