"""Backends by name."""

import sys

import pytest
from wstal.errors import WstalError
from wstal.video import decord, pyav
from wstal.video.scan import backend


def test_by_name():
    assert backend("pyav") is pyav
    assert backend("decord") is decord
    with pytest.raises(WstalError, match="opencv.*pyav, decord, torchcodec"):
        backend("opencv")


def test_one_that_does_not_load_says_why(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    monkeypatch.delitem(sys.modules, "wstal.video.torchcodec", raising=False)
    monkeypatch.delattr("wstal.video.torchcodec", raising=False)  # a test before may have it
    with pytest.raises(WstalError, match="torchcodec does not load here .*torchcodec.*recipe"):
        backend("torchcodec")
