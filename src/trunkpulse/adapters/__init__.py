"""What the ports become on a real machine: sockets, databases, destinations."""
