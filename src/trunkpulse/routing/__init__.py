"""Which trunks take a call, in which order: numbers to routes, routes to candidates. Pure."""
