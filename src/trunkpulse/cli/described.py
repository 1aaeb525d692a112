"""Commands that are told by options what something is to be, and get it as the API's document."""

from __future__ import annotations

import inspect
from collections.abc import Callable

__all__ = ["takes_instead"]


def takes_instead(
    with_document: Callable[..., None],
    command: Callable[..., None],
    options: Callable[..., None],
) -> None:
    """Have ``with_document`` look like ``command`` with ``options`` instead of its ``document``.

    It hands the document that it makes of the options on to ``command``.
    """
    api, *own = inspect.signature(command, eval_str=True).parameters.values()
    added = inspect.signature(options, eval_str=True).parameters.values()
    parameters = [api, *(each for each in own if each.name != "document"), *added]
    # As with over_api, which adds the others.
    with_document.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_document.__annotations__ = {each.name: each.annotation for each in parameters}
