"""Names of files and folders as text that can be printed, drawn and written."""

from __future__ import annotations


def label(name: str) -> str:
    r"""The name itself; a byte in it that is no UTF-8 (an é of Latin-1, say) stands as ``\udce9``."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
