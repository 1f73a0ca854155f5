"""Reads JSON configurations; a key that nobody understands is an error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from streamformer_export.config_keys import REFUSED, ignored
from streamformer_export.errors import ExportError

_MISSING = object()


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a model folder; raises ExportError where there is none."""
    try:
        content = json.loads(existing(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ExportError(
            f"{path.parent} has no {path.name}. Give a model folder that transformers' "
            "save_pretrained wrote."
        ) from None
    except ValueError as error:
        raise ExportError(f"{path} is not JSON ({error}). Restore the file.") from None
    if not isinstance(content, dict):
        raise ExportError(f"{path} is not a JSON object. Restore the file.")
    return content


def existing(path: Path) -> Path:
    """The path itself; raises ExportError for a link to a file that does not exist."""
    if path.is_symlink() and not path.exists():
        raise ExportError(
            f"{path} is a link to {path.readlink()}, which does not exist. "
            "Restore that file, or copy the model again without links."
        )
    return path


class IgnoredKeys:
    """The keys that a user takes for harmless, in any file of a model folder."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = frozenset(names)
        self._found: set[str] = set()

    def without(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """`values` without these keys."""
        self._found |= self.names & values.keys()
        return {key: value for key, value in values.items() if key not in self.names}

    def refuse_absent(self) -> None:
        """Refuses a name that no file had: it may be misspelled."""
        absent = sorted(self.names - self._found)
        if absent:
            raise ExportError(
                f"--ignore-key {absent[0]}: no file of the model folder has this key. "
                "Correct the name or leave it out."
            )


class Config:
    """A JSON configuration that knows which of its keys were read.

    `kept` are keys that change no answer, `user` those that a user wants to be ignored, and
    `aliases` are other names of keys, as in transformers' attribute_map. Raises ExportError for two
    names of one key with different values.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        name: str,
        *,
        kept: Iterable[str] = (),
        aliases: Mapping[str, str] | None = None,
        user: IgnoredKeys | None = None,
    ) -> None:
        self.name = name
        self.user = user or IgnoredKeys()
        self._values = self.user.without(values)
        self._kept = frozenset(kept)
        # Keys that change an answer, and all that somebody looked at.
        self._needed: set[str] = set()
        self._read: set[str] = set()
        # Keys that the file has by another name alone.
        self.renamed: set[str] = set()
        for alias, key in (aliases or {}).items():
            if alias in self._values:
                if key not in self._values:
                    self.renamed.add(key)
                value = self._values.pop(alias)
                if self._values.setdefault(key, value) != value:
                    raise ExportError(
                        f"{name}: {alias} is {value!r} but {key} is {self._values[key]!r}, and "
                        "both are names of one setting. transformers 5 takes "
                        f"{alias}, older versions may take {key}. Remove the wrong one, or add "
                        f"--ignore-key {alias} (or {key})."
                    )

    def beside(self, values: Mapping[str, Any], name: str, *scopes: str) -> Config:
        """Another file or part of the same folder; `scopes` of config_keys, by default `name`."""
        return Config(values, name, kept=ignored(*(scopes or (name,))), user=self.user)

    def take(self, key: str, default: Any = _MISSING) -> Any:
        """The value of `key`; transformers leaves keys out that have the default."""
        self._needed.add(key)
        return self._get(key, default)

    def require(self, key: str, *supported: Any) -> None:
        """Refuses a value of `key` that is none of `supported`; the key may be missing."""
        value = self.take(key, supported[0])
        if value not in supported:
            raise ExportError(
                f"{self.name}: {key} is {value!r}. Supported: {_listed(supported)}. "
                "Export a model with one of them."
            )

    def hint(self, key: str, default: Any = None) -> Any:
        """The value of a key that a user may choose to ignore."""
        return self._get(key, default)

    def unread(self, key: str, *expected: Any) -> None:
        """Refuses a key that transformers no longer reads, where it asks for another computation
        than that of transformers' class."""
        value = self._get(key, expected[0])
        if value not in expected:
            raise ExportError(
                f"{self.name}: {key} is {value!r}, but transformers does not read it and computes "
                f"as for {_listed(expected)}. If transformers' answers are right for this model, "
                f"add --ignore-key {key}."
            )

    def ignore(self, keys: Iterable[str]) -> None:
        """Keys that do not change what inference computes."""
        self._read.update(keys)

    def refuse_rest(self) -> None:
        """Refuses keys that nobody took: they may change the computation. A null says nothing."""
        needed = sorted(self.user.names & self._needed - self._values.keys())
        if needed:
            raise ExportError(
                f"--ignore-key {needed[0]}: {self.name} needs this key, since it changes what the "
                "model computes. Leave the option out."
            )
        said = {key for key, value in self._values.items() if value is not None}
        unknown = sorted(said - self._read - self._kept)
        if not unknown:
            return
        for key in unknown:
            if key in REFUSED:
                raise ExportError(f"{self.name}: {key} {REFUSED[key]}")
        found = ", ".join(f"{key}={self._values[key]!r}" for key in unknown)
        options = " ".join(f"--ignore-key {key}" for key in unknown)
        raise ExportError(
            f"{self.name} has unknown keys: {found}. They may change what the model computes. "
            f"If they do not, add {options}. docs/keys.md lists the known keys."
        )

    def _get(self, key: str, default: Any) -> Any:
        self._read.add(key)
        if key in self._values:
            return self._values[key]
        if default is _MISSING:
            raise ExportError(f"{self.name} has {key!r}: it is missing. Restore the file.")
        return default


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(repr(value) for value in values)
