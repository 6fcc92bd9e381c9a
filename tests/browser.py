"""Pages in headless Chromium: what is loaded, what fails, what does not fit, what axe finds."""

from __future__ import annotations

import base64
import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
REASON = "needs Chromium on the path, as Debian's package `chromium` installs it"

PROBE = """
(async () => {
  document.querySelectorAll("details").forEach((one) => { one.open = true; });
  const images = [...document.images];
  images.forEach((one) => { one.loading = "eager"; });
  await Promise.all(images.map((one) => one.decode().catch(() => 0)));
  const found = {
    broken: images.filter((one) => one.naturalWidth === 0).map((one) => one.src),
    n_images: images.length,
    empty: [...document.querySelectorAll("figure svg")].filter((one) => one.getBBox().width === 0).length,
    n_drawn: document.querySelectorAll("figure svg").length,
    wide: document.documentElement.scrollWidth - innerWidth,
    size: [innerWidth, innerHeight],
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    executed: String(window.executed),
    tops: Object.fromEntries([".lead", "figure", "table", "tbody tr"].map((one) =>
      [one, document.querySelector(one)?.getBoundingClientRect().top ?? null])),
    serious: [],
  };
  if (window.axe) {
    const done = await axe.run(document, {resultTypes: ["violations"], iframes: false});
    found.checked = done.passes.length;
    found.serious = done.violations.filter((one) => ["serious", "critical"].includes(one.impact))
      .map((one) => `${one.id}: ${one.help}: ${one.nodes.length} as ${one.nodes[0].html.slice(0, 200)} `
        + one.nodes[0].failureSummary);
  }
  parent.postMessage(JSON.stringify(found), "*");
})();
"""

FRAME = """<!DOCTYPE html><title></title>
<iframe src="{page}" width="{width}" height="{height}"></iframe><script>
addEventListener("message", (event) => {{
  const bytes = new TextEncoder().encode(event.data);
  document.title = btoa(Array.from(bytes, (one) => String.fromCharCode(one)).join(""));
}});
</script>"""
"""A window may not be as narrow as a phone; a frame may."""

OWN = re.compile(r"https?://([^/]*\.)?(google|googleapis|gvt1)\.com/")
"""What Chromium itself asks for."""


def axe() -> str:
    """The source of axe-core, as its package has it."""
    spec = importlib.util.find_spec("axe_core_python")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0], "axe.min.js").read_text("utf-8")


def opened(
    page: Path, width: int = 1300, height: int = 800, *, dark: bool = False, audit: bool = True
) -> Any:
    """What a copy of `page`, beside it so that its links hold, says of itself; and what the console said.

    The copy may run scripts, which reports may not, so that what a label smuggles in would run, too.
    """
    text = page.read_text("utf-8")
    policy = r"(content=\"default-src 'none'[^\"]*?)(; script-src [^\"]*)?\""
    text = re.sub(policy, r"""\1; script-src 'unsafe-inline'" """, text, count=1)
    scripts = [axe(), PROBE] if audit else [PROBE]
    copy, frame, log = (page.with_name(f"probe{end}") for end in (".html", "_frame.html", ".json"))
    copy.write_text(text + "".join(f"<script>{one}</script>" for one in scripts), "utf-8")
    frame.write_text(FRAME.format(page=copy.name, width=width, height=height), "utf-8")
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "--virtual-time-budget=60000",
        "--enable-logging=stderr", f"--window-size={width + 100},{height + 200}", f"--log-net-log={log}",
        "--host-resolver-rules=MAP * ~NOTFOUND", f"--blink-settings=preferredColorScheme={0 if dark else 1}",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            [*command, frame.as_uri()], capture_output=True, text=True, timeout=150, check=True
        )
        asked = set(re.findall(r'"url":"(https?:[^"]*)"', log.read_text("utf-8", "replace")))
    finally:
        for made in (copy, frame, log):
            made.unlink(missing_ok=True)
    title = re.search(r"<title>([A-Za-z0-9+/=]+)</title>", done.stdout)
    assert title is not None, done.stderr[-2000:]
    found = json.loads(base64.b64decode(title[1]))
    found["console"] = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    found["fetched"] = sorted(url for url in asked if not OWN.match(url))
    return found


def sound(page: Path, width: int, *, dark: bool) -> Any:
    """What `opened` says of `page` in a frame 800 high, found to be as every page should."""
    found = opened(page, width, dark=dark)
    assert found["size"] == [width, 800]
    assert found["dark"] is dark
    assert (found["broken"], found["empty"]) == ([], 0)
    assert (found["fetched"], found["console"], found["executed"]) == ([], [], "undefined")
    assert found["wide"] <= 0, f"{found['wide']} pixels wider than {width}"
    assert found["checked"] > 20
    assert found["serious"] == []
    return found
