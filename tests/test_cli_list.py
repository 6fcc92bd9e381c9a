"""What `jslds-bench list` and `info` tell of entries and suites."""

import pytest

from jslds_bench import cli


@pytest.mark.parametrize(
    ("kind", "name", "what"),
    [
        ("tasks", "nbit_memory", "Remember the last non-zero symbol of each channel."),
        ("networks", "standard", "A network trained on its task loss alone"),
        ("cells", "vanilla", "h' = tanh(h W + u V + b)."),
        ("models", "jslds", "JSLDS"),
        ("metrics", "skill", "higher"),
        ("suites", "smoke", "3 tasks × 3 networks × "),
    ],
)
def test_lists_hold_name_and_purpose(kind, name, what, capsys):
    assert cli.main(["list", kind]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.split()[0] == name)
    assert what in line
    assert len(line.split()) > 2


def test_without_a_kind_everything_is_listed(capsys):
    assert cli.main(["list"]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.endswith(":")] == [
        "tasks:", "networks:", "cells:", "models:", "metrics:", "suites:"
    ]  # fmt: skip


def test_info_tells_parameters_with_types_and_defaults(capsys):
    assert cli.main(["info", "cotrained"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("network cotrained\n\nA network co-trained with a JSLDS")
    assert '  initial: "recipe" | "random" | "standard" = "recipe"\n' in out
    assert "  n_state: integer\n" in out


def test_info_tells_what_must_be_given(capsys):
    assert cli.main(["info", "checkpoint"]) == 0
    assert "  path: text (required)\n" in capsys.readouterr().out


def test_info_tells_which_networks_a_model_serves(capsys):
    assert cli.main(["info", "persistence"]) == 0
    served = capsys.readouterr().out.partition("Serves networks: yes\n")[2].splitlines()
    assert "  standard: yes" in served
    assert "  cotrained: yes" in served
    assert "  checkpoint: depends on its parameters" in served


def test_metrics_are_told_with_unit_and_direction(capsys):
    assert cli.main(["list", "metrics"]) == 0
    rows = {line.split()[0]: line.split()[1:3] for line in capsys.readouterr().out.splitlines()}
    assert (rows["name"], rows["steps_per_second"]) == (["unit", "better"], ["steps/s", "higher"])
    assert cli.main(["info", "steps_per_second"]) == 0
    assert "Unit: steps/s. Better: higher." in capsys.readouterr().out


def test_info_of_a_suite(capsys):
    assert cli.main(["info", "synthetic"]) == 0
    assert "seeds: 0, 1, 2" in capsys.readouterr().out
