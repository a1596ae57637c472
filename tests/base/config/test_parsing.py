"""Operational sections stay as they are when params.yaml follows a release."""

from pipeline.base.config.parsing import keep_operational_sections


def test_operational_sections_and_their_comments_stay_as_they_are_now() -> None:
    released = "seed: 1\n\n# how it is served\nserve:\n  a: 1\ngate:\n  x: 1\n"
    now = "seed: 2\nserve:\n  a: 9 # mine\ngate:\n  x: 2\n"

    assert keep_operational_sections(released, now) == "seed: 1\n\nserve:\n  a: 9 # mine\ngate:\n  x: 1\n"
