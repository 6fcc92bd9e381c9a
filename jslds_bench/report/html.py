"""What pages are made of: filled templates, figures as files, and the figures of an earlier page removed."""

from __future__ import annotations

import importlib.resources
from collections.abc import Collection
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

from jslds_bench.records.store import write_atomic
from jslds_bench.report.figures.picture import css_name, draw
from jslds_bench.report.style import THEME, Style

FILES = importlib.resources.files(__package__)


def fill(template: str, package: str = __package__, /, **content: Any) -> str:
    """The page that this template of a package makes of `content` and the colours of both themes.

    It may extend templates of this package.
    """
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(p, "") for p in (package, __package__)]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    light = ";".join(f"{css_name(color)}:{color}" for color in THEME)
    dark = ";".join(f"{css_name(color)}:{other}" for color, other in THEME.items())
    page = environment.get_template(template).render(light=Markup(light), dark=Markup(dark), **content)
    return page.strip() + "\n"


def write_figure(folder: Path, figure: Figure, name: str, caption: str) -> Markup:
    """Write the figure as SVG and PNG; returns the SVG for the page (call under `style.theme()`)."""
    picture = draw(figure, name, caption)
    write_atomic(folder / f"{name}.svg", picture.svg)
    write_atomic(folder / f"{name}.png", picture.png)
    return Markup(picture.inline)


def chip(style: Style) -> Markup:
    """The little square that a model's name follows, in its colour; an outline where its points are."""
    color = f"var({css_name(style.color)})"
    fill = f"box-shadow:inset 0 0 0 2px {color}" if style.hollow else f"background:{color}"
    return Markup(f'<i class="chip" style="{fill}"></i>')


def remove_others(folder: Path, kept: Collection[str]) -> None:
    """Remove the figures that are not of these names."""
    for old in [*folder.glob("*.svg"), *folder.glob("*.png")]:
        if old.stem not in kept:
            old.unlink(missing_ok=True)
