"""The REST API: who may ask (guard), what they get (api), how it is served (server)."""
