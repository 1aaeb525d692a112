"""What attempts mean: hysteresis per target, rolled up per trunk. Pure: no clock, no I/O."""
