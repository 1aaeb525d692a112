"""Where states, events and deliveries are kept: in memory, or in a database."""
