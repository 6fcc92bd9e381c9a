"""A Figure as the three things that a report needs: an SVG file, a PNG file and an inline SVG."""

from __future__ import annotations

import dataclasses
import html
import io
import re
import warnings

from matplotlib.figure import Figure

from jslds_bench.report.style import THEME

DPI = 150


@dataclasses.dataclass(frozen=True)
class Picture:
    """The bytes of a figure's files, and its SVG for the page (themed by CSS variables, ids made unique)."""

    svg: bytes
    png: bytes
    inline: str


def draw(figure: Figure, name: str, alt: str) -> Picture:
    """Render `figure` (call under `style.theme()`); equal figures give equal bytes."""
    with warnings.catch_warnings():
        # A label may hold letters that the PNG's font lacks; the browser has other fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        svg, png = io.BytesIO(), io.BytesIO()
        figure.savefig(svg, format="svg", dpi=DPI, metadata={"Date": None, "Creator": None})
        figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
    text = _round(svg.getvalue().decode())
    return Picture(_themed(text).encode(), png.getvalue(), _inline(text, name, alt))


def _themed(text: str) -> str:
    """The SVG with its dark colours, for viewers that ask for them; others see the light ones."""
    rules = "".join(
        f'[style*="{what}: {light}"]{{{what}:{dark}!important}}'
        for light, dark in THEME.items()
        for what in ("fill", "stroke")
        if f"{what}: {light}" in text
    )
    start = text.index(">", text.index("<svg")) + 1
    return f"{text[:start]}<style>@media (prefers-color-scheme:dark){{{rules}}}</style>{text[start:]}"


def css_name(color: str) -> str:
    """The CSS variable that stands for a colour of the theme."""
    return f"--c-{color[1:]}"


def _inline(text: str, name: str, alt: str) -> str:
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.S)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.S)
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', body))
    prefix = re.sub(r"[^A-Za-z0-9_]", lambda m: f"_{ord(m[0]):x}_", name) + "-"
    body = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}{m[1]}"' if m[1] in used else "", body)
    body = body.replace("url(#", f"url(#{prefix}").replace('href="#', f'href="#{prefix}')
    for color in THEME:
        body = body.replace(f": {color}", f": var({css_name(color)})")
    body = re.sub(r"\n\s*", "\n", body)
    box = re.search(r'viewBox="([^"]+)"', body)
    size = f'viewBox="{box[1]}"' if box else ""
    head = f'<svg {size} role="img" aria-label="{html.escape(alt)}" xmlns="http://www.w3.org/2000/svg" '
    head += 'xmlns:xlink="http://www.w3.org/1999/xlink">'
    return head + body[body.index(">") + 1 :]


def _round(text: str) -> str:
    """Coordinates to two decimals, in tags only: a third of the bytes, and no visible difference."""

    def shorter(tag: re.Match[str]) -> str:
        return re.sub(r"(?<=[ \"(-])(\d+\.\d{3,})(?=[ \"\n),])", lambda m: f"{float(m[1]):.2f}", tag[0])

    return re.sub(r"<[^<>]*>", shorter, text)
