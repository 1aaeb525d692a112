"""Kinds of values that several sections of the file have, and how a sentence names them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

__all__ = [
    "ATTEMPTS",
    "DIRECTION",
    "EVEN_WEIGHT",
    "ID",
    "LABEL",
    "PEM",
    "RANK",
    "SECONDS",
    "SIP_URI",
    "SWITCH",
    "USER_NAME",
    "Agent",
    "Attempts",
    "Choice",
    "FilledList",
    "Id",
    "Label",
    "List",
    "Path",
    "Rank",
    "Seconds",
    "UserName",
]

ID = 'a name of 1 to 128 letters, digits, ".", "_" and "-" that begins with a letter or digit'
LABEL = "a text of 1 to 200 printable characters"
USER_NAME = "a text of 1 to 128 printable characters"
SECONDS = "a number of seconds from 0.1 to 3600"
ATTEMPTS = "a whole number from 1 to 100"
RANK = "a whole number from 1 to 65535"
SWITCH = "true or false"
DIRECTION = '"inbound", "outbound" or "both"'
PEM = "the path of a PEM file in quotes"
SIP_URI = 'a SIP URI in quotes such as "sip:192.0.2.1:5060"'

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Label = Annotated[str, Field(pattern=r"^\P{C}*[^\p{C}\s]\P{C}*$", max_length=200)]
Agent = Annotated[str, Field(pattern=r"^[\x21-\x7e][\x20-\x7e]{0,127}$")]
Seconds = Annotated[float, Field(ge=0.1, le=3600)]
Attempts = Annotated[int, Field(ge=1, le=100)]
Path = Annotated[str, Field(pattern=r"^\P{C}+$", max_length=4096)]
UserName = Annotated[str, Field(pattern=r"^\P{C}*[^\p{C}\s]\P{C}*$", max_length=128)]
Rank = Annotated[int, Field(ge=1, le=65535)]
EVEN_WEIGHT = 100
"""What a target weighs that does not say."""
# Strict mode would refuse TOML's lists and texts for tuples and enumerations.
List = Field(strict=False)
FilledList = Field(strict=False, min_length=1)
Choice = Field(strict=False)
