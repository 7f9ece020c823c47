"""When things run: one small port, and the engines behind it."""
