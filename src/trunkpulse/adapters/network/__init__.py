"""Sockets and name resolution: what carries SIP to a target and back."""
