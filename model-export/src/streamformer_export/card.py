"""The model card of a bundle, made from its manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# From here on a card does not change when figures are added.
TAIL = "## How it was made"


def tail(card: Path) -> str:
    """What an earlier card says from TAIL on."""
    return card.read_text(encoding="utf-8").partition(TAIL)[2].strip("\n")


def write(manifest: dict[str, Any], made: str) -> str:
    """README.md of a bundle: figures from the manifest, and `made` as its last part."""
    lines = [f"# {manifest['name']}", ""]
    if manifest.get("description"):
        lines += [manifest["description"], ""]
    lines += [
        "| | |",
        "| --- | --- |",
        f"| version | {manifest['version']} |",
        f"| task | {manifest['task']} |",
        f"| family | {manifest['family']} |",
    ]
    if manifest.get("languages"):
        lines.append(f"| reads | {', '.join(manifest['languages'])} |")
    if manifest.get("target_languages"):
        lines.append(f"| writes | {', '.join(manifest['target_languages'])} |")
    if manifest.get("labels"):
        lines.append(f"| labels | {', '.join(manifest['labels'])} |")
    if manifest.get("problem_type"):
        lines.append(f"| problem type | {manifest['problem_type']} |")
    if manifest.get("aggregation"):
        lines.append(f"| tokens become entities by | {manifest['aggregation']} |")
    if manifest.get("ignored_keys"):
        lines.append(f"| ignored keys | {', '.join(manifest['ignored_keys'])} |")
    lines.append(f"| longest input | {manifest['limits']['max_tokens']} tokens; the rest is cut |")
    origin = manifest["tokenizer"].get("origin")
    if origin:
        said = {
            "file": "the folder's tokenizer.json says (transformers 4)",
            "class": "the tokenizer's class says (transformers 5)",
        }[origin]
        lines.append(f"| reads texts as | {said} |")
    decoding = manifest.get("decoding")
    if decoding:
        lines.append(f"| longest output | {_longest_output(decoding)} |")
        lines.append(
            f"| search | {decoding['num_beams']} beams, "
            f"length penalty {decoding['length_penalty']:g} |"
        )
    lines += [
        f"| weights and data | {manifest['source']} |",
        f"| licence | {manifest['license']} |",
        f"| made by | {manifest['created_by']} |",
        "",
        "## Variants",
        "",
    ]
    for name, variant in manifest["variants"].items():
        default = ", the default" if name == manifest["default_variant"] else ""
        lines += [f"- `{name}`{default}: {variant.get('description', '')}"]
        for figure, value in variant.get("evaluation", {}).items():
            lines.append(f"  - {figure}: {value}")
    exception = ", but with `int8-fast`" if "int8-fast" in manifest["variants"] else ""
    lines += [
        "",
        f"The same text gives the same answer alone and in any batch{exception}. Control tokens "
        "that are spelled in a text, such as `[SEP]` or `</s>`, are read as text.",
    ]
    lines += ["", TAIL, "", made]
    return "\n".join(lines) + "\n"


def _longest_output(decoding: dict[str, Any]) -> str:
    most = f"{decoding['max_new_tokens']} tokens"
    if "max_length_factor" in decoding:
        factor, offset = decoding["max_length_factor"], decoding["max_length_offset"]
        most = f"{factor:g} x input tokens + {offset}, at most {most}"
    if "max_total_tokens" in decoding:
        most += f", at most {decoding['max_total_tokens']} with the prompt"
    return most
