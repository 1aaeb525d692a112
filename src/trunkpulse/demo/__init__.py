"""The whole product in half a minute: carriers that fail, a receiver that is told."""
