"""The configuration file: TOML and the secrets it points at, checked once, then frozen."""

from trunkpulse.config.errors import ConfigError
from trunkpulse.config.loading import load_config
from trunkpulse.config.settings import Config

__all__ = ["Config", "ConfigError", "load_config"]
