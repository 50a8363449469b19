"""Where published data is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

import published


def _data(folder: Path) -> Path:
    for part in published.PARTS:
        (folder / part).mkdir(parents=True)
    return folder


def test_a_named_folder_comes_first(tmp_path: Path) -> None:
    """What the variable names is taken before what lies beside the repository."""
    named, beside = _data(tmp_path / "named"), _data(tmp_path / "beside")
    assert published.find(str(named), beside) == named
    assert published.find("", beside) == beside
    assert published.find(None, beside) == beside


def test_there_may_be_none(tmp_path: Path) -> None:
    """Where neither is there, or a part of it is missing, there is no data."""
    assert published.find(None, tmp_path / "beside") is None
    (tmp_path / "beside" / published.PARTS[0]).mkdir(parents=True)
    assert published.find(None, tmp_path / "beside") is None


def test_a_wrong_name_is_told(tmp_path: Path) -> None:
    """A named folder without the data is an error that says what is missing, not a run that tests
    less."""
    with pytest.raises(pytest.UsageError, match="no devfile/schemas"):
        published.find(str(tmp_path), _data(tmp_path / "beside"))
