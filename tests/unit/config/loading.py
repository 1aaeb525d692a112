"""How tests load a configuration: from a file in a folder of their own."""

from __future__ import annotations

from pathlib import Path

from trunkpulse.config import Config, load_config


def load(folder: Path, toml: str, **environ: str) -> Config:
    path = folder / "edge.toml"
    path.write_text(toml, "utf-8")
    return load_config(path, environ)
