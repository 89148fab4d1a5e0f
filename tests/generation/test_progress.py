"""Progress in a log, where there is no terminal to draw a bar in."""

import pytest

from generation.management import progress


@pytest.mark.parametrize(("seconds", "lines"), [(0, ["vae 1/9", "unet 2/9"]), (3600, [])])
def test_a_log_gets_a_line_now_and_then(monkeypatch, capsys, seconds, lines):
    monkeypatch.setattr(progress, "BETWEEN_LINES", seconds)
    with progress.progress_bar("Preparing") as show:
        show(1, 9, "vae")
        show(2, 9, "unet")
        written = capsys.readouterr().err.splitlines()
    assert written == lines
