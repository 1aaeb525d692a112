"""``/api/v2``: a file per resource; ``application`` puts them together."""
