"""Where atheris is not published there is no coverage-guided run; the mutations run everywhere."""

from __future__ import annotations

import importlib.util
import os
import sys

collect_ignore: list[str] = []

if importlib.util.find_spec("atheris") is None:
    # The same condition as in pyproject.toml: there it is installed, so there it must run.
    if os.environ.get("CI") == "true" and sys.platform == "linux" and sys.version_info < (3, 14):
        raise RuntimeError(
            "With CI=true the coverage-guided fuzzing must run, but atheris is not installed;"
            " run scripts/test, which installs it."
        )
    collect_ignore.append("test_fuzz_atheris.py")
    print(  # noqa: T201 - a module that is not collected has no other voice
        "tests/fuzz/test_fuzz_atheris.py is left out: atheris is not published for this"
        f" platform ({sys.platform}, Python {sys.version_info.major}.{sys.version_info.minor})."
    )
