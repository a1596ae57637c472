"""Each bench starts and prints its figures: with few texts, so that a rename that breaks one is noticed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def bench(name, *arguments):
    """Run a bench and return what it prints; it may miss its limits, and must not crash."""
    command = [sys.executable, str(ROOT / "tests" / "bench" / f"{name}.py"), *map(str, arguments)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Traceback" not in run.stderr, run.stderr[-2000:]
    assert run.returncode in (0, 1), run.stderr[-2000:]
    return run.stdout


@pytest.fixture(scope="module")
def released(new_workspace, tiny, tmp_path_factory):
    """Return a workspace with a release of a tiny model."""
    folder = tmp_path_factory.mktemp("benched")
    command = new_workspace(folder)
    assert command("run", *tiny, timeout=600).code == 0
    return folder


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("gate", ("8",), "looks"),
        ("tables", ("3000",), "peak memory"),
        ("data", ("3000", "--stages-only"), "texts/s"),
    ],
)
def test_a_bench_of_made_up_data_starts(name, arguments, said):
    assert said in bench(name, *arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("menu", ("--menu-only",), "fp32"),
        ("batch", ("--rows", "200", "--seconds", "0.5", "--rounds", "1"), "rows"),
        ("service", ("--seconds", "0.5", "--rounds", "1"), "p99"),
    ],
)
def test_a_bench_of_a_release_starts(released, name, arguments, said):
    assert said in bench(name, released, *arguments)


@pytest.mark.parametrize("only", ["head", "full"])
def test_the_bench_of_methods_starts(released, only):
    out = bench("methods", "--workspace", released, "--texts", "40", "--steps", "2", "--only", only)

    assert only in out


@pytest.mark.parametrize("only", ["finetune", "words"])
def test_the_bench_of_training_starts(released, only):
    out = bench("training/run", "--workspace", released, "--texts", "60", "--rounds", "1", "--only", only)

    assert "x our time" in out or "tokens/s" in out


def test_the_bench_of_starts_starts(released):
    out = bench(
        "starts",
        "--workspace",
        released,
        "--texts",
        "60",
        "--steps",
        "2",
        "--seeds",
        "1",
        "--only",
        "scratch",
    )

    assert "scratch" in out
