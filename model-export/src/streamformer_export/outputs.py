"""Where commands write: what would fail at the end of the work is told before it begins."""

from __future__ import annotations

import os
from pathlib import Path


def obstacle(path: Path) -> str | None:
    """Why neither a folder nor a file can be written at `path`, with the next step; or None."""
    if path.is_symlink() and not path.exists():
        return f"{path} is a link to {path.readlink()}, which does not exist. Remove the link."
    try:
        parent = next(one for one in path.absolute().parents if one.exists())
    except OSError as error:
        return f"{path} cannot be used ({error.strerror}). Give another path."
    if not parent.is_dir():
        return f"{path} cannot be written: {parent} is a file. Give another path."
    if not os.access(parent, os.W_OK | os.X_OK):
        return f"{path} cannot be written: no permission for {parent}. Give another path."
    return None
