"""What a running process says of itself: structured logs, metrics for Prometheus, traces for OpenTelemetry."""
