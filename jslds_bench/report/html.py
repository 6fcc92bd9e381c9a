"""What pages are made of: filled templates, figures as files, and the figures of an earlier page removed."""

from __future__ import annotations

import importlib.resources
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

from jslds_bench.records.sealed import write_atomic
from jslds_bench.report.figures.picture import css_name, draw
from jslds_bench.report.style import THEME, Style

INLINE_UP_TO = 100_000  # characters of a figure that is part of the page
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


def write_figure(folder: Path, figure: Figure, name: str, caption: str, linked: bool = False) -> Markup:
    """Write the figure as SVG and PNG; returns what the page beside `folder` holds of it.

    That is the SVG; of a large figure, or where it is to be `linked`, an image that is loaded when it comes
    into view. Call under `style.theme()`.
    """
    picture = draw(figure, name, caption)
    write_atomic(folder / f"{name}.svg", picture.svg)
    write_atomic(folder / f"{name}.png", picture.png)
    if len(picture.inline) <= INLINE_UP_TO and not linked:
        return Markup(picture.inline)
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return Markup('<img loading="lazy" src="{}" width="{}" height="{}" alt="{}">').format(
        f"{quote(folder.name)}/{quote(name)}.svg", width, height, caption
    )


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
