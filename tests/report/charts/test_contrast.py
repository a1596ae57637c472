"""The colours of the pages: words stand out from their ground, in the light and in the dark."""

import re
from pathlib import Path

import pytest

import pipeline.report

DASHBOARD = (
    Path(pipeline.report.__file__).parents[1] / "serve" / "dashboard" / "assets" / "dashboard.css"
).read_text("utf-8")
STYLE = (Path(pipeline.report.__file__).parent / "templates" / "page.css").read_text("utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("words", "ground"),
    [
        *(("ink", ground) for ground in ("paper", "sheet", "faint", "shade", "no-wash")),
        *((words, ground) for words in ("soft", "accent", "no") for ground in ("paper", "sheet")),
        *(("yes", "yes-wash"), ("no", "no-wash"), ("wait", "wait-wash")),
    ],
)
def test_text_contrasts_with_its_background(scheme: str, words: str, ground: str) -> None:
    # WCAG 2.2, 1.4.3: at least 4.5 to 1.
    colours = _colours(scheme)

    assert _contrast(colours[words], colours[ground]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("line", ["negative", "neutral", "positive", "violet", "ochre"])
def test_lines_contrast_with_the_background(scheme: str, line: str) -> None:
    # WCAG 2.2, 1.4.11: at least 3 to 1 for what has to be seen and is no word.
    colours = _colours(scheme) | _colours(scheme, DASHBOARD)

    assert _contrast(colours[line], colours["sheet"]) >= 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["accent", "no"])
def test_text_on_a_button_contrasts(scheme: str, ground: str) -> None:
    assert _contrast(_colours(scheme)["sheet"], _colours(scheme)[ground]) >= 4.5


def test_the_contrast_of_black_and_white_is_21() -> None:
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)


def _colours(scheme: str, style: str = STYLE) -> dict[str, str]:
    light, dark = style.split("@media (prefers-color-scheme: dark)", 1)
    found = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", light))
    return (
        found
        if scheme == "light"
        else found | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", dark.partition("* {")[0]))
    )


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_brightness(one), _brightness(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _brightness(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
